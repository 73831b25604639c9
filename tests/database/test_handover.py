"""A database that an older btcql made as a superuser becomes the writer's, whole, and works on."""

from __future__ import annotations

import os
from datetime import UTC, date, datetime
from pathlib import Path

import psycopg

from database.address import with_database, with_role
from database.connection import connected
from database.creation import create_database
from database.migrate import migrate
from database.roles import READER, WRITER, provide_database
from database.server import EmbeddedServer
from database.writers import LoadResult
from tests.api.markets import issue_forecast
from tests.bars import month_bars, month_load
from tests.conftest import settings_of
from tests.database.hashes import table_hashes
from tests.database.test_timescaledb import FEBRUARY, compress
from tests.database.test_writers import MARCH, load, rows

# Of btcql's own, what is not the writer's; TimescaleDB's own parts are its extension's.
STRANGERS = """
SELECT relname FROM pg_class
WHERE relnamespace IN (SELECT oid FROM pg_namespace WHERE nspname IN ('public', '_timescaledb_internal'))
  AND relowner <> 'btcql_writer'::regrole AND relkind IN ('r', 'v', 'm', 'p', 'S', 'i')
  AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_class.oid AND deptype = 'e')
  AND relname !~ '^bgw_'
UNION ALL
SELECT proname FROM pg_proc
WHERE pronamespace = 'public'::regnamespace AND proowner <> 'btcql_writer'::regrole
  AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_proc.oid AND deptype = 'e')
"""
JOBS = (
    "SELECT job_id FROM timescaledb_information.jobs WHERE job_id >= 1000 AND owner = 'btcql_writer'::regrole"
)


def test_it_changes_hands_with_all_that_is_in_it(admin_url: str, edition: str) -> None:
    february, march = month_bars(FEBRUARY, 24 * 29), month_bars(MARCH, 200)
    name = f"old_{os.getpid()}"
    old = create_database(admin_url, name)
    migrate(old)
    load(old, month_load(february, FEBRUARY, "a"))
    if edition == "community":
        with connected(old, autocommit=True) as connection:
            compress(connection)
    load(old, month_load(march.slice(100), MARCH, "a"))
    issue_forecast(old, "BTC-USD", date(2024, 3, 4), datetime(2024, 3, 5, tzinfo=UTC))
    before = table_hashes(old)

    provide_database(admin_url, name)
    url = with_role(old, WRITER)
    assert rows(url, STRANGERS) == []
    assert table_hashes(url) == before
    assert migrate(url) == []
    assert table_hashes(with_role(old, READER)) == before
    # A month that is replaced reaches into the compressed chunks, and its aggregates follow.
    assert load(url, month_load(february.slice(24), FEBRUARY, "b")) == LoadResult(0, 24)
    assert load(url, month_load(march, MARCH, "b")) == LoadResult(100, 0)
    if edition == "community":
        with connected(url, autocommit=True) as connection:
            jobs = connection.execute(JOBS).fetchall()
            assert len(jobs) == 3
            for job in jobs:
                connection.execute("CALL run_job(%s)", job)
    with psycopg.connect(admin_url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def test_the_embedded_servers_changes_hands_when_it_is_next_opened(tmp_path: Path) -> None:
    server = EmbeddedServer(settings_of("plain", tmp_path / "home"))
    with server.running():
        with psycopg.connect(with_database(server.admin_url, "postgres"), autocommit=True) as admin:
            admin.execute("DROP DATABASE btcql")
            admin.execute("DROP ROLE btcql_writer")
            admin.execute("DROP ROLE btcql_reader")
        create_database(with_database(server.admin_url, "postgres"), "btcql")
        migrate(server.admin_url)
        load(server.admin_url, month_load(month_bars(MARCH, 100), MARCH, "a"))
    with server.running() as url:
        assert rows(url, "SELECT current_user::text, count(*) FROM candle") == [("btcql_writer", 100)]
        assert migrate(url) == []
        assert rows(server.reader_url, "SELECT current_user::text, count(*) FROM candle") == [
            ("btcql_reader", 100)
        ]
        assert rows(url, STRANGERS) == []
