"""What TimescaleDB Community gives on minute bars: ratios, measured beside psql on the same server.

One connection's load against psql's own COPY of the same rows, two processes against one, a changed day with
one and with three years of history, daily bars from the aggregate against the raw rows, and the columnstore's
size. Each figure is a median; the answers before and after compression are compared.

    python -m benchmarks.timescale 2022.csv.gz 2023.csv.gz 2024.csv.gz
"""

from __future__ import annotations

import multiprocessing
import os
import platform
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
import typer

from benchmarks.editions import installation
from benchmarks.months import month_of, read_months, write_text
from btcql.errors import BtcqlError
from btcql.settings import Settings
from database.connection import connected
from database.creation import create_database
from database.migrate import migrate
from database.server import EmbeddedServer
from database.writers import MonthLoad, load_month, refresh_aggregates

_COPY = "\\copy scaled_candle (ts, open, high, low, close, volume, minutes, symbol) FROM '{}' (FORMAT csv)"
_CONTENTS = "SELECT count(*), sum(hash_record_extended(candle.*, 0)::numeric) FROM candle"
_AGGREGATED = "SELECT ts, open, high, low, close, volume, observed FROM candle_1d ORDER BY ts"
_RAW = """
    SELECT time_bucket('1 day', ts), first(open, ts), max(high), min(low), last(close, ts), sum(volume),
           count(*)
    FROM candle WHERE symbol = 'BTC-USD' GROUP BY 1 ORDER BY 1
"""
_SIZES = """
    SELECT sum(before_compression_total_bytes), sum(after_compression_total_bytes)
    FROM chunk_columnstore_stats('scaled_candle')
"""


@dataclass(frozen=True)
class Bench:
    """A server of Community, the months to load, and the same rows as psql's text."""

    url: str
    admin_url: str
    psql: Path
    months: list[MonthLoad]
    text: Path

    @contextmanager
    def database(self) -> Iterator[str]:
        """Yield the address of a fresh database, what came before it on the disk."""
        address = create_database(self.url, "bench")
        migrate(address)
        with connected(self.admin_url, autocommit=True) as connection:
            connection.execute("CHECKPOINT")
        yield address
        with connected(self.admin_url, autocommit=True) as connection:
            connection.execute("DROP DATABASE bench WITH (FORCE)")

    def load_by_psql(self) -> tuple[float, Any]:
        """Copy the rows by psql in one transaction; return the seconds, and the contents for comparison."""
        with self.database() as url:
            subprocess.run([self.psql, "-q", url, "-c", "SELECT"], check=True, stdout=subprocess.DEVNULL)
            seconds = timed(
                lambda: subprocess.run(
                    [self.psql, "-qX", "-v", "ON_ERROR_STOP=1", url, "-c", _COPY.format(self.text)],
                    check=True,
                )
            )
            return seconds, rows(url, _CONTENTS)

    def load_by_one(self) -> tuple[float, Any]:
        """Load all months by one connection, as the pipeline does, without the aggregates."""
        with self.database() as url:
            return timed(lambda: load(url, self.months)), rows(url, _CONTENTS)

    def load_by_two(self) -> tuple[float, Any]:
        """Load every other month in each of two processes, which are up and connected before."""
        halves = [self.months[0::2], self.months[1::2]]
        with (
            self.database() as url,
            ProcessPoolExecutor(2, multiprocessing.get_context("forkserver"), _take, (halves,)) as pool,
        ):
            list(pool.map(_warm_up, [url, url]))
            return timed(lambda: list(pool.map(_load_half, [url, url], [0, 1]))), rows(url, _CONTENTS)


_halves: list[list[MonthLoad]] = []


def _take(halves: list[list[MonthLoad]]) -> None:
    _halves.extend(halves)


def _warm_up(url: str) -> None:
    rows(url, "SELECT pg_sleep(0.3)")  # long enough for either process to take one


def _load_half(url: str, which: int) -> None:
    load(url, _halves[which])


def load(url: str, months: list[MonthLoad]) -> None:
    """Load the months, each in its transaction."""
    with connected(url, autocommit=True) as connection:
        for month in months:
            load_month(connection, month)


def timed(work: Callable[[], object]) -> float:
    """Return how many seconds it takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def rows(url: str, text: str) -> list[tuple[Any, ...]]:
    """Return a query's rows."""
    with connected(url) as connection:
        return connection.execute(text.encode()).fetchall()


def changed_day(url: str, month: MonthLoad, number: int) -> float:
    """Change every bar of the month's 15th, load and refresh; return the seconds."""
    ts = month.bars["ts"].to_numpy().astype("datetime64[D]")
    inside = ts == np.datetime64(month.month, "D") + 14
    volume = np.where(inside, month.bars["volume"].to_numpy() + number, month.bars["volume"].to_numpy())
    corrected = month_of(month.bars.set_column(5, "volume", pa.array(volume)), month.month, f"b{number}")
    with connected(url, autocommit=True) as connection:
        began = time.perf_counter()
        assert load_month(connection, corrected).written == int(inside.sum())
        assert refresh_aggregates(connection) == 1
        return time.perf_counter() - began


def measure_history(bench: Bench, months: list[MonthLoad], runs: int) -> tuple[str, float]:
    """Measure one changed day on top of these months' history."""
    with bench.database() as url:
        load(url, months)
        with connected(url, autocommit=True) as connection:
            refresh_aggregates(connection)
        seconds = [changed_day(url, months[-1], number) for number in range(1, runs + 3)][2:]
    return spread(seconds, 1000, "ms"), statistics.median(seconds)


def measure_reads(bench: Bench, runs: int) -> None:
    """Compare daily bars from the aggregate with the raw rows, before and after compression."""
    with bench.database() as url:
        load(url, bench.months)
        with connected(url, autocommit=True) as connection:
            refresh_aggregates(connection)
            connection.execute("ANALYZE scaled_candle")
            before = answers(url)
            ratio = read_ratio(url, runs)
            for (chunk,) in connection.execute("SELECT show_chunks('scaled_candle')::text").fetchall():
                connection.execute("CALL convert_to_columnstore(%s::regclass)", [chunk])
            uncompressed, compressed = connection.execute(_SIZES.encode()).fetchall()[0]
        print(f"daily bars, raw rows / aggregate        {ratio}   (goal: 100)")
        print(f"daily bars, columnstore / aggregate     {read_ratio(url, runs)}")
        print(
            f"columnstore / uncompressed              {compressed / uncompressed:.3f}   (goal: at most 0.25)"
        )
        same = answers(url) == before
        print(f"answers after compression               {'the same' if same else 'NOT THE SAME'}")
        if not same:
            raise SystemExit("compression changed an answer")


def answers(url: str) -> list[list[tuple[Any, ...]]]:
    """Return the raw rows' hash, and the daily bars of the aggregate."""
    return [rows(url, _CONTENTS), rows(url, _AGGREGATED)]


def read_ratio(url: str, runs: int) -> str:
    """Return how many times as long the raw rows take as the aggregate, on a warm connection."""
    with connected(url, autocommit=True) as connection:

        def once(text: str) -> float:
            return timed(lambda: connection.execute(text.encode()).fetchall())

        once(_RAW), once(_AGGREGATED)
        ratios = []
        for _ in range(runs):
            raw = once(_RAW)
            ratios.append(raw / statistics.median(once(_AGGREGATED) for _ in range(5)))
    return spread(ratios)


def spread(values: list[float], factor: float = 1, unit: str = "") -> str:
    """Return the median, and the smallest and largest value."""
    median, least, most = statistics.median(values) * factor, min(values) * factor, max(values) * factor
    return f"{median:8.2f} {unit} ({least:.2f} to {most:.2f})"


def measure_loads(bench: Bench, runs: int) -> None:
    """Compare psql, one connection and two processes, in turn, round by round."""
    by_one, by_two = [], []
    for _ in range(runs):
        psql, contents = bench.load_by_psql()
        one, of_one = bench.load_by_one()
        two, of_two = bench.load_by_two()
        if not contents == of_one == of_two:
            raise SystemExit("the loads differ; the figures would say nothing")
        print(
            f"  psql {psql:.2f} s, one {one:.2f} s, two {two:.2f} s, load {os.getloadavg()[0]:.1f}",
            flush=True,
        )
        by_one.append(psql / one)
        by_two.append(one / two)
    print(f"psql's COPY / one connection            {spread(by_one)}   (goal: 0.95)")
    print(f"one connection / two processes          {spread(by_two)}   (goal: 1.5)")


def main(
    files: Annotated[list[Path], typer.Argument(help="CSV of minute bars, .gz too, of years that follow.")],
    runs: Annotated[int, typer.Option(min=1, help="Rounds of each measurement.")] = 5,
) -> None:
    """Measure what the issue of TimescaleDB asks for."""
    months = read_months(files)
    bars = sum(month.bars.num_rows for month in months)
    print(
        f"{bars:,} bars in {len(months)} months; {platform.platform()}, "
        f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.2f} at the start"
    )
    with tempfile.TemporaryDirectory(prefix="btcql-") as home:
        text = Path(home) / "bars.csv"
        write_text(months, text)
        community = installation("community")
        settings = Settings(home_path=home, pg_bin=str(community.bin))
        server = EmbeddedServer(settings)
        with server.running() as url:
            bench = Bench(url, server.admin_url, community.bin / "psql", months, text)
            measure_loads(bench, runs)
            year, of_year = measure_history(bench, months[-12:], runs)
            said, of_all = measure_history(bench, months, runs)
            print(f"a changed day, 12 months of history     {year}   (goal: at most 150 ms)")
            print(f"a changed day, {len(months)} months of history     {said}; ratio {of_all / of_year:.2f}")
            measure_reads(bench, runs)


if __name__ == "__main__":
    try:
        typer.run(main)
    except BtcqlError as error:
        raise SystemExit(str(error)) from error
