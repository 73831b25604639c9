"""What 1,000 markets and ten years of chunks cost a question, simulated without their bars.

The markers of all markets' months, one bar of each market in each chunk, and one market with ten years of
hours among them: what is looked up for every question (the market's facts, the list of markets) and what is
planned over all chunks, by the length of the chunks.

    python -m benchmarks.breadth --markets 1000 --years 10
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from typing import Annotated

import typer

from benchmarks.editions import installation
from benchmarks.growth import median_of, set_chunks, timed
from benchmarks.market import monthly, walk
from btcql import calendar
from btcql.errors import BtcqlError
from btcql.records import Interval
from btcql.settings import Settings
from database.address import with_role
from database.connection import connected
from database.migrate import migrate
from database.pool import Connection, Pool
from database.readers.bars import fetch_bars, fetch_price
from database.readers.markets import fetch_market, fetch_markets
from database.roles import READER
from database.server import EmbeddedServer
from database.writers import load_month, refresh_aggregates

SYMBOL = "M0500-USD"
_END = datetime(2025, 1, 1, tzinfo=UTC)
_MARKERS = """
INSERT INTO load (symbol, month, sources, input_sha256, raw_objects, rows, first_ts, complete_through)
SELECT format('M%%s-USD', lpad(number::text, 4, '0')), month, '{binance}', md5(number::text), '[]', 1, month,
       month + INTERVAL '1 month'
FROM generate_series(1, %(markets)s) AS number,
     generate_series(%(first)s::timestamptz, %(last)s::timestamptz, INTERVAL '1 month') AS month
ON CONFLICT DO NOTHING
"""
_BARS = """
INSERT INTO scaled_candle (ts, open, high, low, close, volume, minutes, symbol)
SELECT day, 1, 1, 1, 1, 0, 1, format('M%%s-USD', lpad(number::text, 4, '0'))
FROM generate_series(1, %(markets)s) AS number,
     generate_series(%(first)s::timestamptz, %(last)s::timestamptz, %(step)s) AS day
ON CONFLICT DO NOTHING
"""


def main(
    markets: Annotated[int, typer.Option(min=1)] = 1000,
    years: Annotated[int, typer.Option(min=1)] = 10,
    chunk_days: Annotated[str, typer.Option(help="lengths to compare, by commas")] = "90,7",
) -> None:
    """Print the medians for each length of the chunks."""
    found = installation("community")
    print(
        f"community, PostgreSQL {found.major}, {markets} markets, {years} years, "
        f"load {os.getloadavg()[0]:.1f} at the start"
    )
    for days in map(int, chunk_days.split(",")):
        with (
            tempfile.TemporaryDirectory(prefix="btcql-breadth-", ignore_cleanup_errors=True) as home,
            EmbeddedServer(Settings(home_path=home, pg_bin=str(found.bin))).running() as url,
        ):
            migrate(url)
            set_chunks(url, days)
            chunks, refresh = fill(url, markets, years, days)
            asked = asyncio.run(ask(with_role(url, READER)))
        print(
            f"chunks of {days} days: {chunks} of them; a changed day refreshed in {refresh * 1000:.0f} ms; ",
            end="",
        )
        print(", ".join(f"{name} {seconds * 1000:.1f} ms" for name, seconds in asked.items()))


def fill(url: str, markets: int, years: int, chunk_days: int) -> tuple[int, float]:
    """Make all but the bars; return how many chunks there are, and the seconds of a changed day's refresh."""
    first = _END.replace(year=_END.year - years)
    bars = walk(date(first.year, 1, 1), (_END - first).days * 24, 60)
    bounds = {"markets": markets, "first": first, "last": _END - timedelta(days=1)}
    with connected(url, autocommit=True) as connection:
        for month in monthly(SYMBOL, bars, _END):
            load_month(connection, month)
        connection.execute(_MARKERS, bounds)
        connection.execute(_BARS, {**bounds, "step": timedelta(days=chunk_days)})
        refresh_aggregates(connection)
        connection.execute("ANALYZE")
        day = _END - timedelta(days=200)
        connection.execute(
            "INSERT INTO aggregate_refresh (symbol, from_day, to_day) VALUES (%s, %s, %s)",
            [SYMBOL, day, day + timedelta(days=1)],
        )
        refresh = timed(lambda: refresh_aggregates(connection))
        (chunks,) = connection.execute("SELECT count(*) FROM show_chunks('scaled_candle')").fetchone() or (0,)
    return chunks, refresh


async def ask(url: str) -> dict[str, float]:
    """Return the median seconds of what is asked."""
    end = calendar.microseconds(_END)
    day, year, first = end - 200 * calendar.DAY, end - 365 * calendar.DAY, end - 3650 * calendar.DAY
    questions: dict[str, Callable[[Connection], Awaitable[object]]] = {
        "a market's facts": lambda connection: fetch_market(connection, SYMBOL),
        "all markets": fetch_markets,
        "a year of days": lambda connection: fetch_bars(connection, SYMBOL, Interval.DAY, year, end),
        "ten years of days": lambda connection: fetch_bars(connection, SYMBOL, Interval.DAY, first, end),
        "a day of minutes": lambda connection: fetch_bars(
            connection, SYMBOL, Interval.MINUTE, day, day + calendar.DAY
        ),
        "the latest price": lambda connection: fetch_price(connection, SYMBOL, first, end),
    }
    pool = Pool(url)
    await pool.open()
    try:
        return {name: await median_of(pool, question) for name, question in questions.items()}
    finally:
        await pool.close()


if __name__ == "__main__":
    try:
        typer.run(main)
    except BtcqlError as error:
        raise SystemExit(str(error)) from error
