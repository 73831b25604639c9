"""Months of raw bars in a lake, sound or not, for the tests of their preparation."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa

from btcql.records import Timeframe
from lake.path import Partition
from lake.schema import BARS, bars_table, microseconds, to_parquet
from lake.store import Lake
from tests.lake.bars import february, publish

FEBRUARY = february().date()
END = datetime(2024, 3, 1, tzinfo=february().tzinfo)
_DAILY_STEP = 0.03


def walk(timeframe: Timeframe, count: int, *, first: datetime | None = None, seed: int = 1) -> pa.Table:
    """A random walk as restless as bitcoin's, from 1 February 2024: `count` bars with trades."""
    random = np.random.default_rng(seed)
    step = _DAILY_STEP * (timeframe.minutes / 1440) ** 0.5
    close = 40_000 * np.exp(np.cumsum(random.normal(0, step, count)))
    open_ = np.concatenate(([40_000.0], close[:-1]))
    spread = 1 + np.abs(random.normal(0, step / 2, (2, count)))
    columns = {
        "open": open_,
        "high": np.maximum(open_, close) * spread[0],
        "low": np.minimum(open_, close) / spread[1],
        "close": close,
        "volume": random.uniform(0.1, 5, count),
    }
    start = int((first or february()).timestamp()) * 1_000_000
    return bars_table(start + timeframe.minutes * 60_000_000 * np.arange(count), columns)


def changed(table: pa.Table, rows: slice, **factors: float) -> pa.Table:
    """Multiply columns of some rows."""
    columns = {name: np.array(table[name].to_pylist()) for name in BARS.names[1:]}
    for name, factor in factors.items():
        columns[name][rows] *= factor
    return bars_table(microseconds(table), columns)


def scaled(table: pa.Table, rows: slice, factor: float) -> pa.Table:
    """Multiply all prices of some rows."""
    return changed(table, rows, open=factor, high=factor, low=factor, close=factor)


def without(table: pa.Table, *rows: slice) -> pa.Table:
    """Leave rows out."""
    kept = np.ones(table.num_rows, dtype=bool)
    for some in rows:
        kept[some] = False
    return table.filter(pa.array(kept))


def daily_of(hours: pa.Table) -> pa.Table:
    """The days of whole days of hours."""
    values = {name: np.array(hours[name]).reshape(-1, 24) for name in BARS.names[1:]}
    columns = {
        "open": values["open"][:, 0],
        "high": values["high"].max(axis=1),
        "low": values["low"].min(axis=1),
        "close": values["close"][:, -1],
        "volume": values["volume"].sum(axis=1),
    }
    return bars_table(microseconds(hours)[::24], columns)


def land(
    lake: Lake, source: str, timeframe: Timeframe, table: pa.Table, through: datetime | None = None
) -> Partition:
    """Publish a February's bars of BTC-USD."""
    where = Partition(source, "BTC-USD", timeframe, FEBRUARY)
    publish(lake, where, table, through=through)
    return where


def forge(lake: Lake, where: Partition, table: pa.Table) -> None:
    """Put bars that the lake would refuse in the place of a partition's, with a checksum that matches."""
    folder = Path(lake.root) / where.folder
    manifest = folder / "manifest.json"
    (part,) = folder.glob("part-*")
    before = hashlib.sha256(part.read_bytes()).hexdigest()
    part.write_bytes(to_parquet(table))
    after = hashlib.sha256(part.read_bytes()).hexdigest()
    manifest.write_text(manifest.read_text().replace(before, after))


def random_month(lake: Lake, seed: int) -> None:
    """Land up to four series of one month, of different reach and with some of every oddness."""
    random = np.random.default_rng(seed)
    for source, timeframe, most in _series(random):
        count = int(random.integers(most // 2, most + 1))
        table = walk(timeframe, count, seed=seed)
        for _ in range(int(random.integers(0, 3))):
            at, length = int(random.integers(1, count)), int(random.integers(1, 100))
            some = slice(at, at + length)
            odd = int(random.integers(0, 4))
            if odd == 0:
                table = changed(table, some, volume=0.0)
            elif odd == 1:
                table = scaled(table, some, float(random.choice([0.1, 1.03, 7.0])))
            elif table.num_rows > length + at:
                table = without(table, some)
        where = land(lake, source, timeframe, table, through=END if seed % 2 else None)
        if random.integers(0, 2):
            publish(lake, where, scaled(table.slice(0, 5), slice(None), 1.001))


def _series(random: np.random.Generator) -> Iterator[tuple[str, Timeframe, int]]:
    every = [
        ("bitstamp", Timeframe.DAY, 29),
        ("bitstamp", Timeframe.HOUR, 29 * 24),
        ("coinbase", Timeframe.HOUR, 29 * 24),
        ("binance", Timeframe.MINUTE, 3 * 1440),
    ]
    for number in random.permutation(4)[: int(random.integers(1, 5))]:
        yield every[int(number)]
