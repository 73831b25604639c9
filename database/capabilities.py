"""What the connected server can do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from btcql.errors import DatabaseError
from database.connection import Connection
from database.queries import query

Edition = Literal["community", "apache", "plain"]


@dataclass(frozen=True)
class Capabilities:
    """The server's versions and which of the schema's three editions it carries."""

    postgresql: str
    timescaledb: str | None
    edition: Edition

    @property
    def continuous_aggregates(self) -> bool:
        """Whether the hourly and daily bars are continuous aggregates (else rollup tables)."""
        return self.edition == "community"


def read_capabilities(connection: Connection) -> Capabilities:
    """Ask the server; raises DatabaseError for a PostgreSQL older than 15."""
    row = connection.execute(query("read_capabilities")).fetchone()
    assert row is not None
    number, version, timescaledb, edition = row
    if number < 150000:  # noqa: PLR2004 - PostgreSQL's own way of writing version 15
        raise DatabaseError(f"PostgreSQL {version} is too old: btcql needs 15 or newer")
    return Capabilities(version, timescaledb, edition)
