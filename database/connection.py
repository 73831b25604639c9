"""Connections of the pipeline and the commands; the API has its own pool."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from btcql.errors import DatabaseError, DatabaseUnavailableError

Connection = psycopg.Connection[tuple[Any, ...]]


@contextmanager
def connected(url: str, *, autocommit: bool = False) -> Iterator[Connection]:
    """Yield a connection in UTC; what it did is committed if no exception passes.

    Raises DatabaseUnavailableError if the database does not answer or goes away, DatabaseError for any other
    refusal of it.
    """
    try:
        with psycopg.connect(
            url,
            autocommit=autocommit,
            application_name="btcql",
            options="-c timezone=UTC",
            connect_timeout=10,
        ) as connection:
            yield connection
    except (psycopg.OperationalError, psycopg.InterfaceError) as error:
        raise DatabaseUnavailableError(f"the database does not answer: {_first_line(error)}") from error
    except psycopg.Error as error:
        raise DatabaseError(f"the database refused: {_first_line(error)}") from error


def _first_line(error: psycopg.Error) -> str:
    return str(error).strip().split("\n", 1)[0]
