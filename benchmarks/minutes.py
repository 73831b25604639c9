"""The file of minute bars that is imported, and the same bars as text."""

from __future__ import annotations

import gzip
import io
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from btcql.records import DEFAULT_SYMBOL, Timeframe
from etl.sources import archive as archives


@dataclass(frozen=True)
class Archive:
    """The file that is imported, and the same bars as the text that a plain COPY takes."""

    path: Path
    text: bytes
    rows: int
    days: int


def read_archive(path: Path) -> Archive:
    """Prepare what does not count: the rows as COPY's text, and what must be in the database at the end."""
    with (
        tempfile.TemporaryDirectory(prefix="btcql-benchmark-") as folder,
        archives.opened(path, Timeframe.MINUTE, datetime.now(UTC), Path(folder)) as bars,
    ):
        table = pa.concat_tables(months for _, months in bars.months())
    # Counted without the product's reader: it may not judge itself.
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        expect(
            "bars of the file that can be read", table.num_rows, sum(1 for line in file if line.strip()) - 1
        )
    rows = table.set_column(0, "ts", table["ts"].cast(pa.timestamp("s", tz="UTC")))
    rows = rows.append_column("minutes", pa.repeat(pa.scalar(1, pa.int16()), rows.num_rows))
    rows = rows.append_column("symbol", pa.repeat(pa.scalar(DEFAULT_SYMBOL), rows.num_rows))
    text = io.BytesIO()
    csv.write_csv(rows, text, csv.WriteOptions(include_header=False))
    days = pc.count_distinct(pc.floor_temporal(table["ts"], unit="day")).as_py()
    return Archive(path, text.getvalue(), table.num_rows, days)


def write_file(path: Path) -> None:
    """Write a leap year of made-up minutes (527,040 bars) in an archive's form: the same for everyone."""
    rows = 366 * 1440
    random = np.random.default_rng(2024)
    walk = 42_000 * np.exp(np.cumsum(random.standard_t(4, rows + 1) * 5e-4))
    opens, closes = walk[:-1].round(2), walk[1:].round(2)
    wicks = random.exponential(2e-4, (2, rows))
    ts = np.datetime64("2024-01-01", "s") + np.arange(rows) * np.timedelta64(60, "s")
    table = pa.table(
        {
            "timestamp": pc.strftime(pa.array(ts), format="%Y-%m-%dT%H:%M:%SZ"),
            "open": opens,
            "high": (np.maximum(opens, closes) * (1 + wicks[0])).round(2),
            "low": (np.minimum(opens, closes) * (1 - wicks[1])).round(2),
            "close": closes,
            "volume": random.lognormal(3, 1, rows).round(5),
        }
    )
    with gzip.open(path, "wb") as file:
        csv.write_csv(table, file, csv.WriteOptions(quoting_style="none"))


def expect(what: str, found: Any, expected: Any) -> None:
    """Leave unless what was found is what was expected."""
    if found != expected:
        raise SystemExit(f"{what}: {found}, expected {expected}; the figures would say nothing")
