"""How load, refresh, questions and size grow with the number of markets of minute bars.

A year of made-up minutes of each market (527,040 bars), one market after the other as the pipeline loads
them; at each number of markets a row of the table: what the last market took, a changed day, the usual
questions, the size. Twenty markets are 10.5 million bars. What matters is the growth, so the rows are
also given as ratios to the first. On Community all is put into the columnstore at the end.

    python -m benchmarks.growth --edition community --markets 20
"""

from __future__ import annotations

import asyncio
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated, LiteralString

import numpy as np
import pyarrow as pa
import typer

from benchmarks.editions import installation
from benchmarks.market import monthly, walk
from btcql import calendar
from btcql.errors import BtcqlError
from btcql.records import Interval, Timeframe
from btcql.settings import Settings
from database.address import with_role
from database.capabilities import read_capabilities
from database.connection import Connection as WriterConnection
from database.connection import connected
from database.migrate import migrate
from database.pool import Connection, Pool
from database.readers.bars import fetch_bars, fetch_price
from database.roles import READER
from database.server import EmbeddedServer
from database.writers import MonthLoad, load_month, refresh_aggregates
from lake.path import Partition
from lake.schema import bars_table
from lake.store import Lake

FIRST, END = date(2024, 1, 1), date(2025, 1, 1)
DAYS = (END - FIRST).days
ROUNDS = 15
_NEW = datetime(END.year, END.month, END.day, tzinfo=UTC)
_CHUNKS = """
    SELECT format('%I.%I', chunk_schema, chunk_name) FROM timescaledb_information.chunks
    WHERE hypertable_schema = 'public' AND hypertable_name = 'scaled_candle'
"""
_BARS_SIZE = "SELECT hypertable_size('scaled_candle')"
_SIZE = "SELECT pg_database_size(current_database())"


@dataclass(frozen=True)
class Stage:
    """What was measured with so many markets: seconds, and bytes of the whole database."""

    markets: int
    load: float
    refresh: float
    changed_day: float
    year: float
    minutes: float
    price: float
    size: int
    chunks: int


def main(
    edition: Annotated[str, typer.Option(help="community, apache or plain")] = "community",
    markets: Annotated[int, typer.Option(min=1, help="how many, of a year each")] = 20,
    chunk_days: Annotated[int, typer.Option(min=1, help="of the hypertable's chunks")] = 90,
) -> None:
    """Load the markets, measure at 1, 2, 5, 10, 20, ... of them, and print the table."""
    found = installation(edition)
    print(
        f"{edition}, PostgreSQL {found.major}, {platform.platform()}, {os.cpu_count()} processors, "
        f"load {os.getloadavg()[0]:.1f} at the start"
    )
    with tempfile.TemporaryDirectory(prefix="btcql-growth-", ignore_cleanup_errors=True) as home:
        settings = Settings(
            home_path=home,
            pg_bin=str(found.bin),
            timescaledb_license="apache" if edition == "apache" else "timescale",
        )
        with EmbeddedServer(settings).running() as url:
            migrate(url)
            if edition != "plain":
                set_chunks(url, chunk_days)
            grow(url, markets)
            print(
                f"in the lake: {lake_bytes(Path(home) / 'lake'):.1f} bytes a bar, without the imported files"
            )


def lake_bytes(folder: Path) -> float:
    """Publish a market's year in a lake; return how many bytes a bar takes."""
    bars = walk(FIRST, DAYS * 1440, 1, 1)
    lake = Lake(str(folder))
    for month in monthly(symbol_of(1), bars, _NEW):
        columns = {name: month.bars[name].to_numpy() for name in ("open", "high", "low", "close", "volume")}
        table = bars_table(month.bars["ts"].cast(pa.int64()).to_numpy(), columns)
        where = Partition("binance", month.symbol, Timeframe.MINUTE, month.month)
        lake.publish(where, table, request={}, complete_through=month.complete_through, fetched_at=_NEW)
    size: int = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    return size / len(bars)


def set_chunks(url: str, days: int) -> None:
    """Let the chunks to come be so long."""
    with connected(url) as connection:
        connection.execute("SELECT set_chunk_time_interval('scaled_candle', %s)", [timedelta(days=days)])


def grow(url: str, markets: int) -> None:
    """Load market after market and print each stage as it is reached."""
    print(
        f"{'markets':>7} {'bars':>11} | {'load':>7} {'bars/s':>8} {'refresh':>8} {'a day':>7} |"
        f" {'a year':>7} {'a day of':>8} {'latest':>7} | {'size':>8} {'bytes':>6} {'chunks':>6}"
    )
    print(
        f"{'':>7} {'':>11} | {'s':>7} {'':>8} {'s':>8} {'changed':>7} |"
        f" {'of days':>7} {'minutes':>8} {'price':>7} | {'GB':>8} {'a bar':>6}"
    )
    stages: list[Stage] = []
    for number in range(1, markets + 1):
        load, refresh = add_market(url, number)
        if number in {1, 2, 5} or number % 10 == 0 or number == markets:
            stages.append(measure(url, number, load, refresh))
            show(stages[-1])
    print("as ratios to the first row:")
    for stage in stages:
        show_ratios(stages[0], stage)
    compress(url, markets)


def compress(url: str, markets: int) -> None:
    """Put every bar into the columnstore, where there is one, and print how large all is then."""
    with connected(url, autocommit=True) as connection:
        if read_capabilities(connection).edition != "community":
            return

        def work() -> None:
            for chunk in connection.execute(_CHUNKS).fetchall():
                connection.execute("CALL convert_to_columnstore(%s::regclass)", chunk)

        before = number_of(connection, _BARS_SIZE)
        seconds = timed(work)
        after, size = number_of(connection, _BARS_SIZE), number_of(connection, _SIZE)
    bars = markets * DAYS * 1440
    year, minutes, price = asyncio.run(ask(with_role(url, READER), symbol_of((markets + 1) // 2)))
    print(
        f"in the columnstore, after {seconds:.1f} s: the bars {after / bars:.1f} bytes each instead of"
        f" {before / bars:.1f} ({after / before:.3f}), the database {size / 1e9:.2f} GB;"
        f" a year of days {year * 1000:.1f} ms, a day of minutes"
        f" {minutes * 1000:.1f} ms, latest price {price * 1000:.1f} ms"
    )


def symbol_of(number: int) -> str:
    """Return the name of the `number`-th market, from 1."""
    return f"M{number:04}-USD"


def add_market(url: str, number: int) -> tuple[float, float]:
    """Load a year of a new market; return the seconds of the loads and of the refresh."""
    bars = walk(FIRST, DAYS * 1440, 1, number)
    loads = list(monthly(symbol_of(number), bars, _NEW))
    with connected(url, autocommit=True) as connection:
        load = timed(lambda: [load_month(connection, month) for month in loads])
        refresh = timed(lambda: refresh_aggregates(connection))
        connection.execute("ANALYZE")
    return load, refresh


def measure(url: str, number: int, load: float, refresh: float) -> Stage:
    """Change a day of the newest market, and ask the usual questions of a market in the middle."""
    bars = walk(FIRST, DAYS * 1440, 1, number)
    last = list(monthly(symbol_of(number), bars, _NEW))[-1]
    changed = statistics.median(change_day(url, last, run) for run in range(1, 6))
    year, minutes, price = asyncio.run(ask(with_role(url, READER), symbol_of((number + 1) // 2)))
    with connected(url) as connection:
        size = number_of(connection, _SIZE)
        timescaledb = read_capabilities(connection).timescaledb
        chunks = len(connection.execute(_CHUNKS).fetchall()) if timescaledb else 0
    return Stage(number, load, refresh, changed, year, minutes, price, size, chunks)


def number_of(connection: WriterConnection, question: LiteralString) -> int:
    """Return the one number that answers it."""
    row = connection.execute(question).fetchone()
    assert row is not None
    return int(row[0])


def change_day(url: str, month: MonthLoad, run: int) -> float:
    """Change every volume of the month's 15th, load the month and refresh; return the seconds."""
    days = month.bars["ts"].to_numpy().astype("datetime64[D]")
    inside = days == np.datetime64(month.month, "D") + 14
    volume = np.where(inside, month.bars["volume"].to_numpy() + run, month.bars["volume"].to_numpy())
    bars = month.bars.set_column(month.bars.column_names.index("volume"), "volume", pa.array(volume))
    corrected = MonthLoad(
        month.symbol, month.month, bars, month.sources, [], f"run {run}", month.complete_through
    )
    with connected(url, autocommit=True) as connection:

        def work() -> None:
            if load_month(connection, corrected).written != inside.sum():
                raise SystemExit("the changed day was not what was written; the figures would say nothing")
            refresh_aggregates(connection)

        return timed(work)


async def ask(url: str, symbol: str) -> tuple[float, float, float]:
    """Return the median seconds of a year of days, a day of minutes and the latest price."""
    pool = Pool(url)
    await pool.open()
    end = calendar.midnight(END)
    day = calendar.midnight(END - timedelta(days=100))

    def year(connection: Connection) -> Awaitable[object]:
        return fetch_bars(connection, symbol, Interval.DAY, calendar.midnight(FIRST), end)

    def minutes(connection: Connection) -> Awaitable[object]:
        return fetch_bars(connection, symbol, Interval.MINUTE, day, day + calendar.DAY)

    def price(connection: Connection) -> Awaitable[object]:
        return fetch_price(connection, symbol, calendar.midnight(FIRST), end)

    try:
        return await median_of(pool, year), await median_of(pool, minutes), await median_of(pool, price)
    finally:
        await pool.close()


async def median_of(pool: Pool, question: Callable[[Connection], Awaitable[object]]) -> float:
    """Ask again and again; return the median of the seconds, the first few not counted."""
    taken = []
    for _ in range(ROUNDS + 3):
        began = time.perf_counter()
        await pool.run(question)
        taken.append(time.perf_counter() - began)
    return statistics.median(taken[3:])


def timed(work: Callable[[], object]) -> float:
    """Return how many seconds it takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def show(stage: Stage) -> None:
    """Print a stage's row."""
    bars = stage.markets * DAYS * 1440
    print(
        f"{stage.markets:>7} {bars:>11,} | {stage.load:>7.1f} {DAYS * 1440 / stage.load:>8,.0f}"
        f" {stage.refresh:>8.2f} {stage.changed_day * 1000:>4.0f} ms | {stage.year * 1000:>4.1f} ms"
        f" {stage.minutes * 1000:>5.1f} ms {stage.price * 1000:>4.1f} ms |"
        f" {stage.size / 1e9:>8.2f} {stage.size / bars:>6.0f} {stage.chunks:>6}",
        flush=True,
    )


def show_ratios(first: Stage, stage: Stage) -> None:
    """Print how many times as long each took, and as large all is, as with the first number of markets."""
    print(
        f"{stage.markets:>7} {stage.markets / first.markets:>11.1f} | {stage.load / first.load:>7.2f} {'':>8}"
        f" {stage.refresh / first.refresh:>8.2f} {stage.changed_day / first.changed_day:>7.2f} |"
        f" {stage.year / first.year:>7.2f} {stage.minutes / first.minutes:>8.2f}"
        f" {stage.price / first.price:>7.2f} | {stage.size / first.size:>8.2f}"
    )


if __name__ == "__main__":
    try:
        typer.run(main)
    except BtcqlError as error:
        raise SystemExit(str(error)) from error
