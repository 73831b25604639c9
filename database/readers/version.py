"""Which version of the data is read."""

from __future__ import annotations

from database.pool import Connection
from database.queries import query


async def fetch_version(connection: Connection) -> int:
    """Return the version of all of the data: the same before and after means that nothing changed."""
    cursor = await connection.execute(query("fetch_version"))
    row = await cursor.fetchone()
    assert row is not None
    version: int = row[0]
    return version
