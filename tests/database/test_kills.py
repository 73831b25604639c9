"""Whatever is killed, and whenever: the next run ends in the state of an undisturbed one."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import date
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import psycopg
import pytest

from btcql.errors import DatabaseUnavailableError
from database.connection import connected
from database.creation import create_database
from database.migrate import find_migrations, migrate
from database.server import EmbeddedServer
from database.writers import load_month, refresh_aggregates, remove_market
from tests.bars import month_bars, month_load
from tests.conftest import Database, admin_of, settings_of
from tests.database.hashes import table_hashes

MARCH, APRIL = date(2024, 3, 1), date(2024, 4, 1)
SYMBOLS = ("BTC-USD", "ETH-USD")
# The last one replaces the first.
STEPS = ((MARCH, 4000, "a"), (APRIL, 4000, "a"), (MARCH, 3900, "b"))
KILLS = {"community": 20, "apache": 6, "plain": 6}
LIMIT_SECONDS = 60

# Made ready once: a new interpreter for each run would take longer than the run.
processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload([__name__])


def load_all(url: str) -> None:
    """Load two months of two markets, then a corrected one, each with its refresh."""
    with connected(url, autocommit=True) as connection:
        for symbol in SYMBOLS:
            for month, rows, digest in STEPS:
                bars = month_bars(month, rows, minutes=1, seed=rows)
                load_month(connection, month_load(bars, month, digest, symbol=symbol))
                refresh_aggregates(connection)


def remove_all(url: str) -> None:
    with connected(url, autocommit=True) as connection:
        for symbol in SYMBOLS:
            remove_market(connection, symbol)
        refresh_aggregates(connection)


def rows(url: str, text: str) -> list[tuple[Any, ...]]:
    with connected(url) as connection:
        return connection.execute(text.encode()).fetchall()


def wait_for(seen: Callable[[], bool], process: ForkServerProcess) -> None:
    deadline = time.monotonic() + LIMIT_SECONDS
    while not seen():
        assert process.is_alive(), "it ended before it came there"
        assert time.monotonic() < deadline
        time.sleep(0.01)


@contextmanager
def empty_database(server_url: str, edition: str) -> Iterator[str]:
    """Yield the address of a database without its schema."""
    name = f"test_empty_{os.getpid()}"
    yield create_database(server_url, name)
    with connected(admin_of(server_url, edition), autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@contextmanager
def started(run: Callable[[str], object], url: str) -> Iterator[ForkServerProcess]:
    """Run it in a process of its own, which is killed at the end of the block."""
    process = processes.Process(target=run, args=(url,))
    process.start()
    try:
        yield process
    finally:
        process.kill()
        process.join(LIMIT_SECONDS)


def time_of(run: Callable[[str], object], url: str) -> float:
    """Run it undisturbed in a process, and return how long that took."""
    with started(run, url) as process:
        began = time.monotonic()
        process.join(LIMIT_SECONDS)
        assert process.exitcode == 0
        return time.monotonic() - began


def kill_at(moment: float, run: Callable[[str], object], url: str) -> bool:
    """Kill a run of it after so many seconds, and return whether it had not ended."""
    with started(run, url) as process:
        process.join(moment)
    return process.exitcode == -signal.SIGKILL


def test_a_loader_killed_at_any_moment_is_finished_by_the_next(database: Database) -> None:
    random_ = random.Random(1)
    seconds = time_of(load_all, database.url)
    undisturbed = table_hashes(database.url)
    hits = 0
    for _ in range(KILLS[database.edition]):
        remove_all(database.url)
        hits += kill_at(random_.uniform(0, seconds), load_all, database.url)
        load_all(database.url)
        assert table_hashes(database.url) == undisturbed
    assert hits > 0


def rolled_up(database_url: str, view: str) -> str:
    """Name the table that an aggregate is written to: TimescaleDB's own, or the rollup table."""
    if rows(database_url, "SELECT to_regclass('timescaledb_information.continuous_aggregates')") == [(None,)]:
        return view
    found = rows(
        database_url,
        "SELECT format('%I.%I', materialization_hypertable_schema, materialization_hypertable_name)"
        f" FROM timescaledb_information.continuous_aggregates WHERE view_name = '{view}'",
    )
    return str(found[0][0]) if found else view


WAITING = """
    SELECT pid FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock'
      AND query ~ 'CALL refresh|(DELETE FROM|INSERT INTO) candle'
"""


def end_in_the_middle(url: str, view: str, end: Callable[[int], None]) -> None:
    """Run the loads until their backend writes the aggregate, and end it there."""
    with psycopg.connect(url) as holder, started(load_all, url) as process:
        holder.execute(f"LOCK TABLE {rolled_up(url, view)} IN SHARE MODE".encode())
        wait_for(lambda: len(rows(url, WAITING)) == 1, process)
        end(rows(url, WAITING)[0][0])
        process.join(LIMIT_SECONDS)
        assert process.exitcode == 1, "it must have said that the database was gone"
        with suppress(psycopg.OperationalError):  # the holder's session may have ended with it
            holder.rollback()


@pytest.mark.parametrize("view", ["candle_hour", "candle_day"])
def test_a_backend_ended_while_it_writes_an_aggregate_is_made_up_for(database: Database, view: str) -> None:
    def terminate(pid: int) -> None:
        assert rows(database.url, f"SELECT pg_terminate_backend({pid})") == [(True,)]

    load_all(database.url)
    undisturbed = table_hashes(database.url)
    remove_all(database.url)
    end_in_the_middle(database.url, view, terminate)
    load_all(database.url)
    assert table_hashes(database.url) == undisturbed


def test_a_server_that_crashed_in_a_refresh_recovers_and_the_next_run_ends_it(
    edition: str, tmp_path: Path
) -> None:
    with EmbeddedServer(settings_of(edition, tmp_path / "home")).running() as url:
        migrate(url)
        load_all(url)
        undisturbed = table_hashes(url)
        for view in ("candle_hour", "candle_day"):
            remove_all(url)
            end_in_the_middle(url, view, lambda pid: os.kill(pid, signal.SIGKILL))
            wait_for_recovery(url)
            load_all(url)
            assert table_hashes(url) == undisturbed


def wait_for_recovery(url: str) -> None:
    deadline = time.monotonic() + LIMIT_SECONDS
    while time.monotonic() < deadline:
        with suppress(DatabaseUnavailableError):
            if rows(url, "SELECT true"):
                return
        time.sleep(0.05)
    raise AssertionError("the server did not come back")


SCHEMA = (
    "SELECT number, name, sha256 FROM migration ORDER BY number",
    """
    SELECT table_name::text, column_name::text, data_type::text, is_nullable::text
    FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, ordinal_position
    """,
    """
    SELECT conrelid::regclass::text, conname::text, pg_get_constraintdef(oid)
    FROM pg_constraint WHERE connamespace = 'public'::regnamespace ORDER BY 1, 2
    """,
    "SELECT tablename::text, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY indexdef",
    "SELECT viewname::text FROM pg_views WHERE schemaname = 'public' ORDER BY 1",
)
JOBS = """
    SELECT proc_name::text, hypertable_name::text, schedule_interval
    FROM timescaledb_information.jobs WHERE job_id >= 1000 ORDER BY job_id
"""


def schema_of(url: str, edition: str) -> list[list[tuple[Any, ...]]]:
    return [rows(url, text) for text in (*SCHEMA, *([JOBS] if edition != "plain" else []))]


def test_a_migration_killed_before_its_record_is_done_again(
    server_url: str, edition: str, database: Database
) -> None:
    waiting = (
        "SELECT true FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        " AND query LIKE 'INSERT INTO migration%' AND datname = current_database()"
    )
    with empty_database(server_url, edition) as url:
        migrate(url, 0)
        for migration in find_migrations():
            with psycopg.connect(url) as holder, started(migrate, url) as process:
                holder.execute("LOCK migration IN SHARE MODE")
                wait_for(lambda: rows(url, waiting) == [(True,)], process)
            assert migrate(url, migration.number) == [migration.name]
        assert schema_of(url, edition) == schema_of(database.url, edition)
        load_all(url)
        load_all(database.url)
        assert table_hashes(url) == table_hashes(database.url)


def test_a_migration_killed_at_any_moment_is_finished_by_the_next(
    server_url: str, edition: str, database: Database
) -> None:
    random_ = random.Random(2)
    with empty_database(server_url, edition) as url:
        seconds = time_of(migrate, url)
    hits = 0
    for _ in range(5):
        with empty_database(server_url, edition) as url:
            hits += kill_at(random_.uniform(0, seconds), migrate, url)
            migrate(url)
            assert schema_of(url, edition) == schema_of(database.url, edition)
    assert hits > 0
