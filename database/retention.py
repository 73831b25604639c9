"""The policy that drops old bars, if one was set on the database."""

from __future__ import annotations

from database.capabilities import read_capabilities
from database.connection import Connection
from database.queries import query


def read_retention(connection: Connection) -> str | None:
    """Return after which interval bars are dropped, such as 3 years; None: all are kept."""
    if not read_capabilities(connection).timescaledb:
        return None
    row = connection.execute(query("read_retention")).fetchone()
    return row[0] if row else None
