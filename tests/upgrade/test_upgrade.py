"""What the first version left is migrated without a loss, and its questions are answered as they were."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from database.address import with_role
from database.connection import Connection, connected
from database.creation import create_database
from database.migrate import find_migrations, migrate
from database.queries import query
from database.roles import WRITER, provide_database
from lake.store import Lake
from tests.api.serving import serving
from tests.cli.conftest import command_in
from tests.conftest import admin_of
from tests.upgrade.files import write_files
from tests.upgrade.frozen import Frozen, read_table, write_table
from tests.upgrade.questions import answers, differing

FIRST = Frozen.read(Path(__file__).with_name("59828d3.txt"))
REFRESH = "CALL refresh_continuous_aggregate(%s::regclass, '2022-01-01', '2025-01-01')"


def asked(url: str) -> dict[str, Any]:
    with serving(url, lambda: datetime(2026, 12, 1, tzinfo=UTC)) as api:
        return answers(api.ask)


def fill(connection: Connection, edition: str) -> None:
    """Make the tables and their rows as the first version did, which had no roles."""
    connection.execute(query("create_migration_table"))
    applied = FIRST.tables["migration"].splitlines()[1:]
    for migration, record in zip(find_migrations(), applied, strict=False):
        assert migration.sha256 in record, f"{migration.name} is not what the first version applied"
        connection.execute(migration.text.encode())
    aggregates = {"candle_hour", "candle_day"}
    for name, text in FIRST.tables.items():
        if edition != "community" or name not in aggregates:
            write_table(connection, name, text)
    if edition == "community":
        for name in ("candle_hour", "candle_day"):
            connection.execute(REFRESH, [name])


@pytest.fixture
def first_url(server_url: str, edition: str) -> Iterator[str]:
    """The writer's address of a database as the first version left it."""
    admin_url, name = admin_of(server_url, edition), f"first_{os.getpid()}"
    url = create_database(admin_url, name)
    with connected(url, autocommit=True) as connection:
        fill(connection, edition)
    provide_database(admin_url, name)  # as the embedded server does when it is next opened
    yield with_role(url, WRITER)
    with psycopg.connect(admin_url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def test_the_database_of_the_first_version_keeps_its_rows_and_its_answers(
    first_url: str, edition: str
) -> None:
    applied = FIRST.tables["migration"].count("\n") - 1
    assert len(migrate(first_url)) == len(find_migrations()) - applied > 0
    with connected(first_url) as connection:
        assert read_table(connection, "candle") == FIRST.tables["candle"]
        assert read_table(connection, "load") == FIRST.tables["load"]
    assert differing(FIRST.answers, asked(first_url)) == {}


@pytest.mark.parametrize("edition", ["plain"], indirect=True)
def test_the_lake_of_the_first_version_is_whole_and_gives_the_answers_again(
    first_url: str, tmp_path: Path
) -> None:
    FIRST.put_lake(tmp_path / "lake", [file for file, _ in write_files(tmp_path)])
    lake = str(tmp_path / "lake")
    btcql = command_in(tmp_path / "home", "plain", BTCQL_DATABASE_URL=first_url, BTCQL_LAKE=lake)
    assert Lake(lake).verify() == []
    migrate(first_url)
    with connected(first_url) as connection:
        connection.execute("UPDATE scaled_candle SET volume = 0")  # so that it is seen to be made anew
    btcql.succeed("rebuild")
    with connected(first_url) as connection:
        assert read_table(connection, "candle") == FIRST.tables["candle"]
    assert differing(FIRST.answers, asked(first_url)) == {}
