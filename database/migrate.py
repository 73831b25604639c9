"""The schema's migrations: numbered SQL files, each applied once, in order, with its record."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from importlib.resources import files

import psycopg

from btcql.errors import MigrationError
from database.capabilities import read_capabilities
from database.connection import Connection, connected
from database.queries import query

_NAME = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")
_NO_TRANSACTION = "-- no-transaction"


@dataclass(frozen=True)
class Migration:
    """One file of `migrations/`; `number` is its place in the order."""

    number: int
    name: str
    text: str

    @property
    def sha256(self) -> str:
        """The checksum that is recorded when the file is applied."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def find_migrations() -> list[Migration]:
    """Return the shipped migrations in order; raises MigrationError for a wrong name or number."""
    found = []
    for file in files("migrations").iterdir():
        if file.name.endswith(".sql"):
            match = _NAME.fullmatch(file.name)
            if match is None:
                raise MigrationError(f"migrations/{file.name} is not named NNNN_verb_object.sql")
            found.append(Migration(int(match[1]), file.name, file.read_text(encoding="utf-8")))
    found.sort(key=lambda migration: migration.number)
    for place, migration in enumerate(found, start=1):
        if migration.number != place:
            raise MigrationError(f"migrations/{migration.name} should have the number {place:04}")
    return found


def migrate(url: str, to: int | None = None) -> list[str]:
    """Apply what is pending, up to number `to`, and return the names applied.

    A file runs in one transaction with its record, so that a killed run is finished by the next; only one
    runs at a time. A `-- no-transaction` file holds a single statement that may be repeated. It needs no
    superuser, but the database's owner, whose settings and the reader's rights are seen to at the end.
    Raises MigrationError if an applied file has changed since, if the database is newer than this btcql or
    than `to`, if there is no migration of that number, or if a file fails.
    """
    migrations = find_migrations()
    if to is not None and to > len(migrations):
        raise MigrationError(f"there is no migration {to}: the newest is {len(migrations)}")
    with connected(url, autocommit=True) as connection:
        read_capabilities(connection)
        connection.execute(query("lock_migrations"))
        connection.execute(query("create_migration_table"))
        applied = dict(connection.execute(query("read_migrations")).fetchall())
        if not applied:
            # Later it would only belie the tables: btcql rebuild makes others.
            connection.execute(query("create_timescaledb"))
        _check_applied(migrations, applied)
        if to is not None and to < len(applied):
            raise MigrationError(
                f"the database is at migration {len(applied)}, and none leads back to {to}: restore a backup"
            )
        pending = [m for m in migrations if m.number > len(applied) and (to is None or m.number <= to)]
        for migration in pending:
            _apply(connection, migration)
        connection.execute(query("keep_snapshots_whole"))
        connection.execute(query("grant_reads"))
    return [migration.name for migration in pending]


def _check_applied(migrations: list[Migration], applied: dict[str, str]) -> None:
    by_name = {migration.name: migration for migration in migrations}
    for name, sha256 in applied.items():
        if name not in by_name:
            raise MigrationError(
                f"the database has migration {name}, this btcql has not: install a newer btcql"
            )
        if by_name[name].sha256 != sha256:
            raise MigrationError(
                f"migrations/{name} has changed since it was applied: restore it; a change needs a new file"
            )


def _apply(connection: Connection, migration: Migration) -> None:
    record = (query("record_migration"), [migration.number, migration.name, migration.sha256])
    try:
        if migration.text.startswith(_NO_TRANSACTION):
            connection.execute(migration.text.encode())
            connection.execute(*record)
        else:
            with connection.transaction():
                connection.execute(migration.text.encode())
                connection.execute(*record)
    except psycopg.OperationalError:
        raise
    except psycopg.Error as error:
        raise MigrationError(f"migrations/{migration.name} failed: {error}") from error
