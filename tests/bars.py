"""Bars for the tests, made from a seed."""

from __future__ import annotations

from datetime import UTC, date, datetime

import numpy as np
import pyarrow as pa

from database.writers import MonthLoad


def month_bars(month: date, rows: int, minutes: int = 60, seed: int = 1) -> pa.Table:
    """A month's first `rows` bars of a random walk, as the database's writer takes them."""
    random = np.random.default_rng(seed)
    starts = np.datetime64(month, "us") + np.arange(rows) * np.timedelta64(minutes, "m")
    close = np.round(100 * np.exp(np.cumsum(random.normal(0, 0.01, rows))), 2)
    open_ = np.concatenate(([100.0], close[:-1]))
    return pa.table(
        {
            "ts": pa.array(starts, pa.timestamp("us", tz="UTC")),
            "open": open_,
            "high": np.maximum(open_, close) + 0.5,
            "low": np.minimum(open_, close) - 0.5,
            "close": close,
            "volume": np.round(random.random(rows), 3),
            "minutes": np.full(rows, minutes, np.int16),
        }
    )


def month_load(
    bars: pa.Table, month: date, input_sha256: str, symbol: str = "BTC-USD", source: str = "bitstamp"
) -> MonthLoad:
    return MonthLoad(
        symbol=symbol,
        month=month,
        bars=bars,
        sources=[source],
        raw_objects=[{"object": "part-1.parquet", "sha256": "0" * 64}],
        input_sha256=input_sha256,
        complete_through=datetime(month.year + month.month // 12, month.month % 12 + 1, 1, tzinfo=UTC),
    )
