"""Making a database."""

from __future__ import annotations

from psycopg import sql

from database.address import with_database
from database.connection import connected
from database.queries import query


def create_database(url: str, name: str, *, owner: str | None = None) -> str:
    """Make the empty database `name` on the server of `url`, and return its address for the same role.

    It belongs to `owner`, by default the role of `url`, which must be allowed to make databases: btcql_writer
    is, and a superuser. TimescaleDB is put into it where the server has it loaded, so that `migrate` (which
    also grants the reader its rights) makes the same edition as elsewhere on the server. Raises DatabaseError
    if there is one of that name, or the role may not.
    """
    made = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
    if owner is not None:
        made += sql.SQL(" OWNER {}").format(sql.Identifier(owner))
    with connected(url, autocommit=True) as connection:
        connection.execute(made)
    address = with_database(url, name)
    with connected(address) as connection:
        connection.execute(query("create_timescaledb"))
    return address
