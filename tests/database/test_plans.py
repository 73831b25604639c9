"""Which plans a session keeps: those of hours and days; where base bars have chunks, never one of theirs."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pandas as pd

from btcql import calendar
from btcql.records import Interval
from database.address import with_role
from database.pool import Connection, Pool
from database.readers.bars import fetch_bars, fetch_close_before, fetch_extremes, fetch_price
from database.roles import READER
from tests.api.markets import load, walk
from tests.conftest import Database

_KEPT = """
SELECT coalesce(sum(generic_plans) FILTER (WHERE statement LIKE '%FROM candle_1d%'), 0)::int,
       count(*) FILTER (WHERE statement ~ 'FROM candle\\s')::int
FROM pg_prepared_statements
"""


async def kept(connection: Connection) -> tuple[int, int]:
    """Return how often a kept plan of days was used, and the statements that are kept of base bars."""
    cursor = await connection.execute(_KEPT)
    row = await cursor.fetchone()
    assert row is not None
    return row[0], row[1]


def test_plans_are_kept_but_where_they_would_open_every_chunk(database: Database) -> None:
    days = walk("2019-01-01", "2024-01-01", 1440)
    load(database.url, "DAY-USD", days, "bitstamp")
    load(database.url, "MIN-USD", walk("2023-12-01", "2023-12-03", 1), "bitstamp")
    first, then, end = (
        calendar.microseconds(pd.Timestamp(at, tz="UTC")) for at in ("2023-11-01", "2023-12-01", "2023-12-02")
    )

    async def ask() -> None:
        pool = Pool(with_role(database.url, READER), size=1)
        await pool.open()
        try:
            for _ in range(8):
                read = await pool.run(fetch_bars, "DAY-USD", Interval.DAY, first, then)
                assert len(read.start) == 30
                read = await pool.run(fetch_bars, "MIN-USD", Interval.MINUTE, then, end)
                assert len(read.start) == timedelta(days=1) // timedelta(minutes=1)
                assert await pool.run(fetch_price, "MIN-USD", then, end) is not None
                assert await pool.run(fetch_close_before, "MIN-USD", then, end) is not None
                assert None in await pool.run(fetch_extremes, "MIN-USD", (0.0, then, end), (0.0, then, end))
            of_days, of_base_bars = await pool.run(kept)
            assert of_days > 0
            assert of_base_bars == (2 if database.edition == "plain" else 0)
        finally:
            await pool.close()

    asyncio.run(ask())
