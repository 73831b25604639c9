"""Migrations are applied once, in order, by one at a time, and never half."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from btcql.errors import MigrationError
from database import migrate as migrations
from database import server
from database.capabilities import read_capabilities
from database.connection import connected
from database.migrate import Migration, find_migrations, migrate
from database.rebuild import carried_over, create_beside, take_name
from database.server import EmbeddedServer
from database.status import read_status
from database.writers import load_month
from tests.bars import month_bars, month_load
from tests.conftest import Database, installation_of, settings_of
from tests.database.test_writers import MARCH, load, rows


def add(monkeypatch: pytest.MonkeyPatch, *texts: str) -> None:
    shipped = find_migrations()
    more = [
        Migration(len(shipped) + n, f"{len(shipped) + n:04}_x_{n}.sql", text)
        for n, text in enumerate(texts, 1)
    ]
    monkeypatch.setattr(migrations, "find_migrations", lambda: [*shipped, *more])


def test_the_shipped_ones_make_the_edition_that_the_server_can_carry(database: Database) -> None:
    with connected(database.url) as connection:
        assert read_capabilities(connection).edition == database.edition
        status = dict(read_status(connection))
    assert status["edition"].startswith(database.edition)
    assert status["migrations"].startswith(f"{len(find_migrations())} applied")


def test_a_second_run_does_nothing(database: Database) -> None:
    assert migrate(database.url) == []


def test_runs_at_the_same_time_apply_each_once(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    add(monkeypatch, "SELECT pg_sleep(0.2); CREATE TABLE once (x integer)")
    with ThreadPoolExecutor(4) as pool:
        applied = list(pool.map(lambda _: migrate(database.url), range(4)))
    assert sorted(applied, key=len)[:3] == [[], [], []]


def test_a_failing_one_leaves_nothing_and_is_named(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(monkeypatch, "CREATE TABLE good (x integer)", "CREATE TABLE half (x integer); SELECT 1/0")
    with pytest.raises(MigrationError, match=r"x_2\.sql failed: division by zero"):
        migrate(database.url)
    with psycopg.connect(database.url) as connection:
        tables = connection.execute("SELECT to_regclass('good')::text, to_regclass('half')::text").fetchone()
    assert tables == ("good", None)
    add(monkeypatch, "CREATE TABLE good (x integer)", "CREATE TABLE half (x integer)")
    monkeypatch.undo()


def test_it_stops_at_the_number_asked_for(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    add(monkeypatch, "CREATE TABLE a (x integer)", "CREATE TABLE b (x integer)")
    assert len(migrate(database.url, to=len(find_migrations()) + 1)) == 1
    assert len(migrate(database.url)) == 1


def test_no_number_leads_back_nor_beyond_the_newest(database: Database) -> None:
    newest = len(find_migrations())
    with pytest.raises(MigrationError, match=f"at migration {newest}, and none leads back to 3: restore"):
        migrate(database.url, to=3)
    with pytest.raises(MigrationError, match=f"no migration 99: the newest is {newest}"):
        migrate(database.url, to=99)
    assert migrate(database.url, to=newest) == []


def test_a_statement_outside_transactions_is_possible(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(monkeypatch, "-- no-transaction\nCREATE INDEX CONCURRENTLY ON forecast (issued_at)")
    assert len(migrate(database.url)) == 1


def test_a_changed_file_is_refused_by_name(database: Database) -> None:
    with psycopg.connect(database.url) as connection:
        connection.execute("UPDATE migration SET sha256 = 'other' WHERE number = 2")
    with pytest.raises(MigrationError, match=r"0002_create_aggregates\.sql has changed"):
        migrate(database.url)


def test_a_newer_database_is_refused(database: Database) -> None:
    with psycopg.connect(database.url) as connection:
        connection.execute("INSERT INTO migration VALUES (99, '0099_from_later.sql', 'x')")
    with pytest.raises(MigrationError, match="install a newer btcql"):
        migrate(database.url)


def test_a_database_made_without_continuous_aggregates_is_told_how_to_move(database: Database) -> None:
    if database.edition != "community":
        pytest.skip("has no continuous aggregates")
    with psycopg.connect(database.url) as connection:
        connection.execute("DROP VIEW candle_1h, candle_1d")
        connection.execute("DROP MATERIALIZED VIEW candle_day")
        connection.execute("DROP MATERIALIZED VIEW candle_hour")
        connection.execute("DELETE FROM migration WHERE number > 3")
    with pytest.raises(MigrationError, match=r"0004.*load it again from the lake"):
        migrate(database.url)


def test_a_plain_database_works_on_when_its_server_gets_timescaledb(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if installation_of("community") is None:
        pytest.skip("no PostgreSQL with TimescaleDB is installed here")
    embedded = EmbeddedServer(settings_of("community", tmp_path / "home"))
    with monkeypatch.context() as without:
        without.setattr(server, "_TIMESCALEDB_PARAMETERS", {})
        with embedded.running() as url:
            migrate(url)
            load(url, month_load(month_bars(MARCH, 48), MARCH, "a"))
    with embedded.running() as url:
        assert migrate(url) == []
        load(url, month_load(month_bars(MARCH, 72), MARCH, "b"))
        assert rows(url, "SELECT observed FROM candle_1d") == [(24,), (24,), (24,)]
        with connected(url) as connection:
            status = dict(read_status(connection))
            assert status["edition"] == "plain: rollup tables"
            assert status["could be"] == (
                "TimescaleDB: btcql rebuild moves the database to what the server has now"
            )
            connection.execute("CREATE EXTENSION timescaledb")
        load(url, month_load(month_bars(MARCH, 96), MARCH, "c"))
        assert rows(url, "SELECT count(*) FROM candle_1h") == [(96,)]
        with connected(url) as connection:
            status = dict(read_status(connection))
        assert "a plain table" in status["bars"]
        assert status["could be"].startswith("TimescaleDB Community: btcql rebuild")
        moved = create_beside(url)
        with connected(moved) as connection:
            assert read_capabilities(connection).edition == "community"
        load(moved, month_load(month_bars(MARCH, 96), MARCH, "c"))
        with carried_over(url, moved):
            take_name(url, lambda: None)
        with connected(url) as connection:
            assert read_capabilities(connection).edition == "community"
            assert "could be" not in dict(read_status(connection))
        assert rows(url, "SELECT count(*) FROM candle_1h") == [(96,)]


def test_the_status_says_what_is_stale_and_what_is_pending(database: Database) -> None:
    with connected(database.url, autocommit=True) as connection:
        load_month(connection, month_load(month_bars(MARCH, 48), MARCH, "a"))
        connection.execute("DELETE FROM migration WHERE number = (SELECT max(number) FROM migration)")
        status = dict(read_status(connection))
    assert status["migrations"].endswith(f"; pending: {find_migrations()[-1].name}: btcql db migrate")
    assert re.fullmatch(r"48 bars from bitstamp, 2024-03-01 .* STALE: \d+ days behind", status["BTC-USD"])
    waiting = "STALE, btcql refresh brings them up to date: BTC-USD 2024-03-01 to 2024-03-02"
    assert status["aggregates"] == (waiting if database.edition == "community" else "up to date")
