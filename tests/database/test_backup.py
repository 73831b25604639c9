"""What pg_dump takes and pg_restore brings back is the same database, and the pipeline goes on with it.

The steps are the README's.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import psycopg
import pytest

from database.address import database_of, with_database, with_role
from database.binaries import find_installations
from database.connection import connected
from database.creation import create_database
from database.migrate import migrate
from database.roles import READER, WRITER
from database.writers import aggregates_are_fresh, load_month
from tests.api.markets import issue_forecast
from tests.bars import month_bars, month_load
from tests.conftest import Database, installation_of
from tests.database.hashes import table_hashes
from tests.database.test_timescaledb import FEBRUARY, compress, run_jobs
from tests.database.test_writers import MARCH, load, rows

APRIL = date(2024, 4, 1)


@pytest.fixture
def restored_url(admin_url: str) -> Iterator[str]:
    """An empty database of the writer's to restore into: its superuser's address."""
    name = f"restored_{os.getpid()}"
    yield create_database(admin_url, name, owner=WRITER)
    with psycopg.connect(admin_url, autocommit=True) as admin:
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def run(edition: str, program: str, *arguments: str | Path) -> None:
    # For a given server of another edition than any installed the newest tools do: they know older servers.
    installation = installation_of(edition) or find_installations()[-1]
    subprocess.run([installation.bin / program, *arguments], check=True)


def fill(url: str, edition: str) -> None:
    """Old bars, compressed where they can be; a correction whose aggregates wait; a forecast."""
    load(url, month_load(month_bars(FEBRUARY, 24 * 29), FEBRUARY, "a"))
    load(url, month_load(month_bars(MARCH, 300), MARCH, "a"))
    issue_forecast(url, "BTC-USD", date(2024, 3, 4), datetime(2024, 3, 5, tzinfo=UTC))
    with connected(url, autocommit=True) as connection:
        if edition == "community":
            compress(connection)
        load_month(connection, month_load(month_bars(MARCH, 24 * 31, seed=2), MARCH, "b"))
        assert aggregates_are_fresh(connection) == (edition != "community")


def go_on(url: str) -> dict[str, str]:
    """What the pipeline does next, and what comes of it."""
    load(url, month_load(month_bars(APRIL, 24 * 30), APRIL, "a"))
    issue_forecast(url, "BTC-USD", date(2024, 4, 4), datetime(2024, 4, 5, tzinfo=UTC))
    return table_hashes(url)


def test_a_restored_database_is_the_same_and_goes_on(
    database: Database, admin_url: str, restored_url: str, tmp_path: Path
) -> None:
    fill(database.url, database.edition)
    url = with_role(restored_url, WRITER)
    dump = tmp_path / "btcql.dump"
    source = with_database(admin_url, database_of(database.url))
    run(database.edition, "pg_dump", "--format=custom", f"--file={dump}", f"--dbname={source}")
    timescaledb = database.edition != "plain"
    if timescaledb:
        restoring(restored_url, "SELECT timescaledb_pre_restore()")
    run(database.edition, "pg_restore", "--exit-on-error", f"--dbname={restored_url}", dump)
    if timescaledb:
        restoring(restored_url, "SELECT timescaledb_post_restore()")
    assert migrate(url) == []

    assert table_hashes(with_role(url, READER)) == table_hashes(database.url)
    state = "SELECT from_day, to_day, symbol FROM aggregate_refresh"
    assert rows(url, state) == rows(database.url, state)
    if database.edition == "community":
        compressed = (
            "SELECT chunk_name, is_compressed FROM timescaledb_information.chunks ORDER BY chunk_name"
        )
        assert rows(url, compressed) == rows(database.url, compressed)
    assert go_on(url) == go_on(database.url)
    if database.edition == "community":
        before = table_hashes(url)
        with connected(url, autocommit=True) as connection:
            run_jobs(connection)
        assert table_hashes(url) == before


def restoring(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as admin:
        assert admin.execute(statement.encode()).fetchone() == (True,)
