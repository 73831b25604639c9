"""The two roles: a writer that owns the database and is no superuser, a reader that may only look.

The embedded server gets them by itself, a server of one's own by `btcql db roles`.
"""

from __future__ import annotations

from collections.abc import Mapping

from psycopg import sql

from database.address import with_database
from database.connection import Connection, connected
from database.creation import create_database
from database.queries import query

WRITER = "btcql_writer"
READER = "btcql_reader"


def provide_database(admin_url: str, name: str, passwords: Mapping[str, str] | None = None) -> None:
    """See to it that the roles and the database `name` are there and the database is the writer's.

    `admin_url` is a superuser's, of any database of the server; `passwords` are set if given, by role. A
    database of an older btcql changes hands whole. Run again it changes nothing. Raises DatabaseError if a
    role of this name is a superuser.
    """
    with connected(admin_url, autocommit=True) as connection:
        found = connection.execute(query("read_ownership"), [name]).fetchone()
        assert found is not None
        roles, owner = found
        if (roles, owner) == (2, WRITER) and not passwords:
            return
        _create_roles(connection, passwords or {})
    if owner is None:
        create_database(admin_url, name, owner=WRITER)
    elif owner != WRITER:
        with connected(with_database(admin_url, name)) as connection:
            connection.execute(query("hand_over"))
            connection.execute(query("grant_reads"))


def _create_roles(connection: Connection, passwords: Mapping[str, str]) -> None:
    with connection.transaction():
        connection.execute(query("create_roles"))
        for role, password in passwords.items():
            # Hashed here, so that the server's log of statements cannot hold it.
            hashed = connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256")
            connection.execute(
                sql.SQL("ALTER ROLE {} PASSWORD {}").format(
                    sql.Identifier(role), sql.Literal(hashed.decode())
                )
            )
