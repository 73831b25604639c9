"""The writer owns the database and is no superuser; the reader reads what the API needs, and nothing else."""

from __future__ import annotations

from datetime import UTC, date, datetime

import psycopg
import pytest
from psycopg import errors

from database.connection import connected
from tests.api.markets import issue_forecast, keep_backtest
from tests.bars import month_bars, month_load
from tests.conftest import Database
from tests.database.test_timescaledb import compress
from tests.database.test_writers import MARCH, load

REFUSED = [
    "INSERT INTO load SELECT * FROM load",
    "UPDATE scaled_candle SET close = 1",
    "DELETE FROM forecast",
    "TRUNCATE load",
    "CREATE TABLE mine (x integer)",
    "CREATE TEMPORARY TABLE mine (x integer)",
    "CREATE TABLE copied AS SELECT * FROM candle",
    "CREATE VIEW mine AS SELECT 1",
    "CREATE FUNCTION mine() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
    "CREATE DATABASE mine",
    "DROP TABLE scaled_candle",
    "ALTER TABLE scaled_candle ADD COLUMN x integer",
    "ALTER ROLE btcql_reader SUPERUSER",
    "COPY load FROM STDIN",
    "COPY load TO PROGRAM 'cat'",
    "SET ROLE btcql_writer",
    "SET SESSION AUTHORIZATION btcql_writer",
    "SELECT * FROM pg_authid",
    "SELECT * FROM migration",
    "SELECT * FROM pipeline_event",
    "SELECT * FROM scaled_candle",
    "SELECT pg_read_file('/etc/passwd')",
    "SELECT setval('forecast_forecast_id_seq', 1)",
]
READABLE = (
    *("candle", "candle_1h", "candle_1d", "load"),
    *("forecast", "forecast_model", "forecast_point", "forecast_backtest"),
)


def test_the_reader_is_refused_all_but_reading(database: Database) -> None:
    load(database.url, month_load(month_bars(MARCH, 30), MARCH, "a"))
    with psycopg.connect(database.reader_url, autocommit=True) as reader:
        with pytest.raises(errors.ReadOnlySqlTransaction):
            reader.execute("DELETE FROM load")
        # A client may turn this off: what it may do must not depend on it.
        reader.execute("SET default_transaction_read_only = off")
        for statement in REFUSED:
            with pytest.raises(errors.InsufficientPrivilege):
                reader.execute(statement.encode())
        assert reader.execute("SELECT count(*) FROM candle").fetchone() == (30,)


def test_the_reader_reads_all_that_the_api_shows(database: Database) -> None:
    with connected(database.reader_url) as reader:
        assert {reader.execute(f"TABLE {table}".encode()).fetchone() for table in READABLE} == {None}
    load(database.url, month_load(month_bars(MARCH, 24 * 30), MARCH, "a"))
    issue_forecast(database.url, "BTC-USD", date(2024, 3, 4), datetime(2024, 3, 5, tzinfo=UTC))
    keep_backtest(database.url, "BTC-USD", "1", 0.99, datetime(2024, 3, 5, tzinfo=UTC))
    if database.edition == "community":
        with connected(database.url, autocommit=True) as writer:
            compress(writer)
    with connected(database.reader_url) as reader:
        for table in READABLE:
            assert reader.execute(f"TABLE {table}".encode()).fetchone() is not None


def test_a_readers_statement_ends_in_time_without_being_asked_to(database: Database) -> None:
    with psycopg.connect(database.reader_url) as reader:
        assert reader.execute("SHOW statement_timeout").fetchone() == ("10s",)
        reader.execute("SET statement_timeout = '50ms'")
        with pytest.raises(errors.QueryCanceled):
            reader.execute("SELECT pg_sleep(60)")


def test_the_writer_owns_all_of_it_and_is_no_superuser(database: Database) -> None:
    load(database.url, month_load(month_bars(MARCH, 30), MARCH, "a"))
    with connected(database.url) as writer:
        powers = writer.execute(
            "SELECT rolname, rolsuper, rolcreaterole, rolreplication, rolbypassrls, rolcreatedb"
            " FROM pg_roles WHERE rolname = current_user"
        ).fetchone()
        assert powers == ("btcql_writer", False, False, False, False, True)
        owners = writer.execute(
            "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public' UNION "
            "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()"
        ).fetchall()
        assert owners == [("btcql_writer",)]
        with pytest.raises(errors.InsufficientPrivilege):
            writer.execute("SELECT * FROM pg_authid")


def test_nobody_else_may_connect(database: Database, server_url: str) -> None:
    with psycopg.connect(database.url) as writer:
        anybody = writer.execute(
            "SELECT has_database_privilege('public', current_database(), 'CONNECT, TEMP')"
        )
        assert anybody.fetchone() == (False,)
