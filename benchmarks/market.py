"""A market to ask: eleven years of days that end in sixty days of minutes, made up, or a file's bars."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa

from database.connection import connected
from database.writers import MonthLoad, load_month, refresh_aggregates
from etl.sources.archive import opened

SYMBOL = "BTC-USD"
DAYS, MINUTE_DAYS = 4_000, 60


def load_made_up(url: str, today: date) -> None:
    """Load bars that end with yesterday: a seeded random walk to the cent."""
    minutes = walk(today - timedelta(days=MINUTE_DAYS), MINUTE_DAYS * 1440, 1)
    days = walk(today - timedelta(days=DAYS), DAYS - MINUTE_DAYS, 1440)
    _load(url, pa.concat_tables([days, minutes]), datetime(today.year, today.month, today.day, tzinfo=UTC))


def load_file(url: str, file: Path, folder: Path) -> datetime:
    """Load a file's bars as BTC-USD; return the midnight at which its last whole day ends."""
    with opened(file, None, datetime.now(UTC), folder) as bars:
        tables = [table for _, table in bars.months()]
        length = pa.scalar(bars.timeframe.minutes, pa.int16())
        table = pa.concat_tables(tables).select(["ts", "open", "high", "low", "close", "volume"])
        table = table.append_column("minutes", pa.repeat(length, table.num_rows))
        table = table.set_column(0, "ts", table["ts"].cast(pa.timestamp("us", tz="UTC")))
        _load(url, table, bars.complete_through)
        return bars.complete_through.replace(hour=0, minute=0, second=0, microsecond=0)


def walk(first: date, bars: int, minutes: int, seed: int = 0) -> pa.Table:
    """Return a random walk of bars to the cent, as the database's writer takes them."""
    random = np.random.default_rng([minutes, seed])
    closes = np.round(30_000 * np.exp(np.cumsum(random.normal(0, 0.0005 * minutes**0.5, bars))), 2)
    opens = np.concatenate(([30_000.0], closes[:-1]))
    spread = np.round(random.uniform(0, 50, (2, bars)), 2)
    ts = np.datetime64(first, "us") + np.arange(bars) * np.timedelta64(minutes * 60_000_000, "us")
    return pa.table(
        {
            "ts": pa.array(ts, pa.timestamp("us", tz="UTC")),
            "open": opens,
            "high": np.maximum(opens, closes) + spread[0],
            "low": np.minimum(opens, closes) - np.minimum(spread[1], np.minimum(opens, closes) / 2),
            "close": closes,
            "volume": np.round(random.uniform(0, 5000, bars), 8),
            "minutes": pa.repeat(pa.scalar(minutes, pa.int16()), bars),
        }
    )


def monthly(symbol: str, bars: pa.Table, end: datetime) -> Iterator[MonthLoad]:
    """Yield the loads of a market's bars, which are complete through `end`, month by month."""
    months = bars["ts"].to_numpy().astype("datetime64[M]")
    for month in np.unique(months):
        first = month.astype("datetime64[D]").item()
        after = (month + 1).astype("datetime64[D]").item()
        part = bars.filter(pa.array(months == month)).combine_chunks()
        through = min(datetime(after.year, after.month, 1, tzinfo=UTC), end)
        yield MonthLoad(symbol, first, part, ["made-up"], [], str(month), through)


def _load(url: str, bars: pa.Table, end: datetime) -> None:
    with connected(url, autocommit=True) as connection:
        for load in monthly(SYMBOL, bars, end):
            load_month(connection, load)
        refresh_aggregates(connection)
        connection.execute("ANALYZE")
