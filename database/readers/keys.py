"""Who a key is, and that it was used: the one thing that the API writes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

import psycopg
from psycopg import errors

from btcql.errors import DatabaseError
from database.pool import Connection
from database.queries import query


@dataclass(frozen=True)
class KeyFacts:
    """A key in use. rate: cost a minute; None without a limit."""

    key_id: int
    name: str
    scopes: frozenset[str]
    rate: int | None


async def fetch_key(connection: Connection, sha256: bytes) -> KeyFacts | None:
    """Return the key whose text has this hash; None if there is none or it is revoked."""
    cursor = await connection.execute(query("fetch_key"), [sha256])
    row = await cursor.fetchone()
    if row is None:
        return None
    key_id, name, scopes, rate = row
    return KeyFacts(key_id, name, frozenset(scopes), rate)


async def note_uses(connection: Connection, ages: Mapping[int, float]) -> None:
    """Record that keys were used, each so many seconds ago.

    Raises DatabaseError where nothing can be recorded: on a standby, or before migration 0009.
    """
    parameters = {"ids": list(ages), "ages": [timedelta(seconds=age) for age in ages.values()]}
    try:
        async with connection.transaction():
            await connection.execute(query("begin_noting"))
            await connection.execute(query("note_key_uses"), parameters)
    except (psycopg.NotSupportedError, psycopg.InternalError, errors.UndefinedFunction) as error:
        raise DatabaseError(f"the database takes no note of keys: {error}") from error
