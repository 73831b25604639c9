"""Bars for the lake's tests."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pyarrow as pa

from btcql.records import Timeframe
from lake.path import Partition
from lake.schema import bars_table
from lake.store import Lake

FETCHED_AT = datetime(2026, 1, 1, 12, tzinfo=UTC)


def partition(
    source: str = "bitstamp", timeframe: Timeframe = Timeframe.HOUR, month: date = date(2024, 2, 1)
) -> Partition:
    return Partition(source, "BTC-USD", timeframe, month)


def bars(
    first: datetime, count: int, timeframe: Timeframe = Timeframe.HOUR, price: float = 100.0
) -> pa.Table:
    """`count` bars from `first`; each opens and closes at `price` plus its number."""
    step = timeframe.minutes * 60_000_000
    ts = int(first.timestamp()) * 1_000_000 + step * np.arange(count)
    close = price + np.arange(count, dtype=np.float64)
    columns = {"open": close, "high": close + 1, "low": close - 1, "close": close, "volume": close / 8}
    return bars_table(ts, columns)


def february(day: int = 1, hour: int = 0) -> datetime:
    return datetime(2024, 2, day, hour, tzinfo=UTC)


def publish(
    lake: Lake, where: Partition, table: pa.Table, *, through: datetime | None = None, **request: object
) -> bool:
    """Publish with `complete_through` at the end of the last bar, unless given."""
    end = table["ts"][-1].as_py() + timedelta(minutes=where.timeframe.minutes)
    return lake.publish(where, table, request=request, complete_through=through or end, fetched_at=FETCHED_AT)
