"""Months of minute bars from files, as the pipeline loads them and as psql's text."""

from __future__ import annotations

import tempfile
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
from pyarrow import csv

from btcql.records import DEFAULT_SYMBOL, Timeframe
from database.writers import MonthLoad
from etl.sources.archive import opened


def read_months(files: list[Path]) -> list[MonthLoad]:
    """Read the files' bars, a load for each month."""
    found = []
    for file in files:
        with (
            tempfile.TemporaryDirectory() as folder,
            opened(file, Timeframe.MINUTE, datetime.now(UTC), Path(folder)) as archive,
        ):
            for month, table in archive.months():
                bars = table.select(["ts", "open", "high", "low", "close", "volume"])
                minutes = pa.repeat(pa.scalar(1, pa.int16()), bars.num_rows)
                bars = bars.append_column("minutes", minutes)
                ts = bars["ts"].cast(pa.timestamp("us", tz="UTC"))
                found.append(month_of(bars.set_column(0, "ts", ts), month, "a"))
    return sorted(found, key=lambda load: load.month)


def month_of(bars: pa.Table, month: date, digest: str) -> MonthLoad:
    """Return a load of the month from these bars."""
    end = datetime(month.year + month.month // 12, month.month % 12 + 1, 1, tzinfo=UTC)
    return MonthLoad(DEFAULT_SYMBOL, month, bars.combine_chunks(), ["binance"], [], digest, end)


def write_text(months: list[MonthLoad], path: Path) -> None:
    """Write the rows as psql reads them."""
    bars = pa.concat_tables([month.bars for month in months])
    bars = bars.append_column("symbol", pa.repeat(pa.scalar(DEFAULT_SYMBOL), bars.num_rows))
    csv.write_csv(bars, path, csv.WriteOptions(include_header=False))
