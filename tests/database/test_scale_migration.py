"""A database of before the scales keeps every bar, hour and day, and goes on."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import psycopg
import pytest

from btcql.errors import MigrationError
from database.connection import Connection, connected
from database.migrate import migrate
from database.queries import query
from database.status import read_status
from database.writers import LoadResult, refresh_aggregates
from tests.bars import month_bars, month_load
from tests.conftest import Database
from tests.database.hashes import table_hashes
from tests.database.test_kills import empty_database, rows, started, wait_for
from tests.database.test_timescaledb import FEBRUARY, run_jobs
from tests.database.test_writers import MARCH, load

SCALES = "0012_scale_candle.sql"
APRIL = date(2024, 4, 1)
SYMBOLS = ("BTC-USD", "ETH-USD")
DAYS = [datetime(2024, 2, day, tzinfo=UTC) for day in range(1, 30)]
DAYS += [datetime(2024, 3, day, tzinfo=UTC) for day in range(1, 31)]
# a chunk of 90 days ends there
DROPPED = datetime(2024, 3, 18, tzinfo=UTC)
RECORDING = (
    "SELECT true FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    " AND query LIKE 'INSERT INTO migration%' AND datname = current_database()"
)


def shown(url: str) -> list[list[tuple[Any, ...]]]:
    """Return every row that people see, floats to the last bit."""
    views = ("candle", "candle_1h", "candle_1d")
    return [rows(url, f"SELECT * FROM {view} ORDER BY symbol, ts") for view in views]


def copy(table: str, source: Connection, target: Connection) -> None:
    """Copy what a table or view of the one shows into the other's table of that name."""
    with (
        source.cursor().copy(f"COPY (TABLE {table}) TO STDOUT".encode()) as out,
        target.cursor().copy(f"COPY {table} FROM STDIN".encode()) as into,
    ):
        for block in out:
            into.write(block)


def granted(url: str) -> list[tuple[Any, ...]]:
    return rows(
        url,
        "SELECT relname, privilege_type, grantee::regrole::text FROM pg_class, aclexplode(relacl) AS granted"
        " WHERE relname LIKE '%candle%' AND relkind IN ('r', 'v') AND grantee <> relowner ORDER BY 1, 2, 3",
    )


def roll_up(old: Connection, edition: str) -> None:
    for symbol in SYMBOLS:
        if edition == "community":
            old.execute(query("write_refresh"), [symbol, DAYS[0], datetime(2024, 3, 31, tzinfo=UTC)])
        else:
            for statement in ("insert_hours", "insert_days"):
                old.execute(query(statement), {"symbol": symbol, "days": DAYS})
    refresh_aggregates(old)


def age(url: str, edition: str, bars: str) -> None:
    """Compress all of it and drop the oldest bars, where that can be."""
    if edition != "community":
        return
    with connected(url, autocommit=True) as connection:
        for (chunk,) in connection.execute("SELECT show_chunks(%s)::text", [bars]).fetchall():
            connection.execute("CALL convert_to_columnstore(%s::regclass)", [chunk])
        connection.execute("SELECT drop_chunks(%s, %s::timestamptz)", [bars, DROPPED])


@pytest.fixture
def old_url(server_url: str, edition: str, database: Database) -> Iterator[str]:
    """A database as an older btcql left it, with the bars and aggregates of `database`."""
    for symbol in SYMBOLS:
        for month in (FEBRUARY, MARCH):
            load(database.url, month_load(month_bars(month, 24 * 29), month, "a", symbol=symbol))
    with empty_database(server_url, edition) as url:
        migrate(url, int(SCALES[:4]) - 1)
        with connected(database.url) as source, connected(url, autocommit=True) as old:
            for table in ("candle", "load"):
                copy(table, source, old)
            roll_up(old, edition)
            old.execute("GRANT SELECT ON candle, candle_1d TO PUBLIC")
        assert table_hashes(url) == table_hashes(database.url)
        for address, bars in ((database.url, "scaled_candle"), (url, "candle")):
            age(address, edition, bars)
        yield url


def go_on(url: str, edition: str) -> None:
    """Correct what may be corrected of a month, and load another."""
    kept = month_bars(MARCH, 24 * 29, seed=2)
    if edition == "community":
        kept = kept.slice(24 * (DROPPED.day - 1))
    assert load(url, month_load(kept, MARCH, "b")) == LoadResult(kept.num_rows, 0)
    assert load(url, month_load(month_bars(APRIL, 100), APRIL, "a")) == LoadResult(100, 0)


def test_every_bar_hour_and_day_stays_and_the_next_loads_are_exact(
    old_url: str, database: Database, edition: str
) -> None:
    before = shown(old_url)
    with psycopg.connect(old_url) as holder, started(migrate, old_url) as process:
        holder.execute("LOCK migration IN SHARE MODE")
        wait_for(lambda: rows(old_url, RECORDING) == [(True,)], process)
    assert rows(old_url, "SELECT to_regclass('scaled_candle')") == [(None,)]
    assert shown(old_url) == before
    with connected(old_url) as connection:
        status = dict(read_status(connection))
    grants = granted(old_url)
    assert ("candle", "SELECT", "btcql_reader") in grants

    assert SCALES in migrate(old_url)
    assert shown(old_url) == before
    assert granted(old_url) == grants
    with connected(old_url) as connection:
        migrated = dict(read_status(connection))
    for name in ("edition", "aggregates", "watermarks", *SYMBOLS):
        assert migrated.get(name) == status.get(name)
    if edition == "community":
        with connected(old_url, autocommit=True) as connection:
            run_jobs(connection)
        assert shown(old_url) == before
    for url in (old_url, database.url):
        go_on(url, edition)
    assert table_hashes(old_url) == table_hashes(database.url)


def test_what_others_made_of_the_bars_stops_it_before_anything_is_changed(old_url: str, edition: str) -> None:
    others = {"view mine": ("CREATE VIEW mine AS SELECT close FROM candle", "DROP VIEW mine")}
    if edition == "community":
        others[r"policy_retention of candle_hour\)"] = (
            "SELECT add_retention_policy('candle_hour', INTERVAL '9 years')",
            "SELECT remove_retention_policy('candle_hour')",
        )
        others["continuous aggregate week"] = (
            (
                "CREATE MATERIALIZED VIEW week WITH (timescaledb.continuous) AS"
                " SELECT time_bucket('7 days', ts), max(high) FROM candle GROUP BY 1 WITH NO DATA"
            ),
            "DROP MATERIALIZED VIEW week",
        )
    before = shown(old_url)
    for said, (make, drop) in others.items():
        with connected(old_url, autocommit=True) as connection:
            connection.execute(make.encode())
            with pytest.raises(MigrationError, match=said):
                migrate(old_url)
            connection.execute(drop.encode())
        assert shown(old_url) == before
    assert SCALES in migrate(old_url)
    assert shown(old_url) == before
