"""Real servers for the tests: every edition of the schema that this machine can run."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import count
from pathlib import Path

import psycopg
import pytest

from btcql.settings import Settings
from database.address import database_of, with_database, with_role
from database.binaries import Installation, find_installations
from database.capabilities import read_capabilities
from database.connection import connected
from database.creation import create_database
from database.migrate import migrate
from database.queries import query
from database.roles import READER, WRITER, provide_database
from database.server import SUPERUSER, EmbeddedServer

EDITIONS = ("community", "apache", "plain")
_numbers = count(1)
TEMPLATE = f"template_{os.getpid()}"
# A server of one's own to run on as well, its superuser's address: postgresql://user@/btcql?host=...&port=...
# Taken out of the environment, for it is no setting of btcql.
GIVEN_URL = os.environ.pop("BTCQL_TEST_DATABASE_URL", "")


@cache
def given_edition() -> str | None:
    """Return the edition that the given server says it is; it must answer."""
    if not GIVEN_URL:
        return None
    provide_database(GIVEN_URL, database_of(GIVEN_URL))
    url = with_role(GIVEN_URL, WRITER)
    migrate(url, 1)
    with connected(url) as connection:
        return read_capabilities(connection).edition


@dataclass(frozen=True)
class Database:
    """A fresh, migrated database of one edition; `url` is the writer's, who owns it."""

    url: str
    edition: str

    @property
    def reader_url(self) -> str:
        """What the API connects to."""
        return with_role(self.url, READER)


def installation_of(edition: str) -> Installation | None:
    """Return the installation that can serve the edition, if this machine has one."""
    wanted = edition != "plain"
    return next((found for found in find_installations() if found.timescaledb == wanted), None)


def settings_of(edition: str, home: Path) -> Settings:
    installation = installation_of(edition)
    if installation is None:
        pytest.skip(f"no PostgreSQL of the {edition} edition is installed here to start and stop")
    return Settings(
        home_path=str(home),
        pg_bin=str(installation.bin),
        timescaledb_license="apache" if edition == "apache" else "timescale",
    )


def pytest_report_header() -> str:
    found = [edition for edition in EDITIONS if edition == given_edition() or installation_of(edition)]
    missing = [edition for edition in EDITIONS if edition not in found]
    return f"editions: {', '.join(found)}" + (f"; NOT found here: {', '.join(missing)}" if missing else "")


@pytest.fixture(scope="session", params=EDITIONS)
def edition(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    if name != given_edition() and installation_of(name) is None:
        pytest.skip(f"no PostgreSQL of the {name} edition is installed here")
    return name


@pytest.fixture(scope="session")
def start_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], str]]:
    """Start an edition's server when it is first asked for; all run until the session ends.

    What it returns is the writer's address.
    """
    with ExitStack() as stack:

        @cache
        def start(edition: str) -> str:
            if edition == given_edition():
                admin_url = GIVEN_URL
            else:
                home = tmp_path_factory.mktemp(f"home {edition}")
                server = EmbeddedServer(settings_of(edition, home))
                stack.enter_context(server.running())
                admin_url = server.admin_url
                _hurry(admin_url)
            _make_template(admin_url)
            stack.callback(_execute, admin_url, f"DROP DATABASE {TEMPLATE} WITH (FORCE)")
            return with_role(admin_url, WRITER)

        yield start


def _hurry(admin_url: str) -> None:
    """No test cuts the power: a server that need not wait for the disk is several times as fast."""
    for parameter in ("fsync", "full_page_writes", "synchronous_commit"):
        _execute(admin_url, f"ALTER SYSTEM SET {parameter} = off")
    _execute(admin_url, "SELECT pg_reload_conf()")


def _make_template(admin_url: str) -> None:
    """Migrate one database, of which the tests get copies: nobody may be connected to it."""
    url = create_database(with_role(admin_url, WRITER), TEMPLATE)
    migrate(url)
    _execute(admin_url, f"ALTER DATABASE {TEMPLATE} ALLOW_CONNECTIONS false")
    # TimescaleDB's own worker is.
    _execute(
        admin_url,
        f"SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = '{TEMPLATE}'",
    )


def _execute(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement.encode())


@pytest.fixture(scope="session")
def server_url(edition: str, start_server: Callable[[str], str]) -> str:
    """The writer's address of one server per edition, for the whole session."""
    return start_server(edition)


@pytest.fixture
def admin_url(server_url: str, edition: str) -> str:
    """The superuser's address of the edition's server."""
    return admin_of(server_url, edition)


def admin_of(server_url: str, edition: str) -> str:
    return GIVEN_URL if edition == given_edition() else with_role(server_url, SUPERUSER)


@contextmanager
def fresh_database(server_url: str, edition: str) -> Iterator[Database]:
    """A migrated database of its own on the edition's server, dropped at the end."""
    name = f"test_{os.getpid()}_{next(_numbers)}"  # two processes may share a given server
    _execute(server_url, f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
    url = with_database(server_url, name)
    _execute(url, query("grant_reads"))  # who may connect is not copied
    yield Database(url, edition)
    # as the superuser, whose the server's own vacuum is that may be at work in it
    _execute(admin_of(server_url, edition), f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def database(server_url: str, edition: str) -> Iterator[Database]:
    """A fresh, migrated database on the edition's server."""
    with fresh_database(server_url, edition) as fresh:
        yield fresh


@pytest.fixture
def plain(start_server: Callable[[str], str]) -> Iterator[Database]:
    """A fresh, migrated database of the plain edition, for what no edition matters to."""
    with fresh_database(start_server("plain"), "plain") as fresh:
        yield fresh
