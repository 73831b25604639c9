"""Connections of the pipeline and the commands; the API has its own pool."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from btcql.errors import DatabaseError, DatabaseUnavailableError

Connection = psycopg.Connection[tuple[Any, ...]]


@contextmanager
def connected(url: str, *, autocommit: bool = False) -> Iterator[Connection]:
    """Yield a connection in UTC; what it did is committed if no exception passes.

    Raises DatabaseUnavailableError if the database does not answer or goes away, DatabaseError for any other
    refusal of it.
    """
    with _translated(), _connect(url, autocommit=autocommit) as connection:
        yield connection


class Session:
    """One connection, in autocommit, for the many small steps of a run.

    A new connection costs more than the load of a small month, for it begins without a catalogue cache. A
    forked process gets its own; one that was lost is replaced at the next use.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: Connection | None = None
        self._owner = 0
        self._inherited: Connection | None = None

    @contextmanager
    def connected(self) -> Iterator[Connection]:
        """Yield the connection, with the errors of `connected`."""
        with _translated():
            if self._owner != os.getpid():
                self._inherited, self._connection = (
                    self._connection,
                    None,
                )  # the parent's: neither used nor ended
            if self._connection is None or self._connection.closed:
                self._connection, self._owner = _connect(self._url, autocommit=True), os.getpid()
            yield self._connection

    def close(self) -> None:
        """Let go of the connection; the next use makes another."""
        if self._connection is not None and self._owner == os.getpid():
            self._connection.close()
        self._connection = None


def _connect(url: str, *, autocommit: bool) -> Connection:
    options = f"{conninfo_to_dict(url).get('options', '')} -c timezone=UTC"
    return psycopg.connect(
        url, autocommit=autocommit, application_name="btcql", options=options, connect_timeout=10
    )


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (psycopg.OperationalError, psycopg.InterfaceError) as error:
        raise DatabaseUnavailableError(f"the database does not answer: {_first_line(error)}") from error
    except psycopg.Error as error:
        raise DatabaseError(f"the database refused: {_first_line(error)}") from error


def _first_line(error: psycopg.Error) -> str:
    return str(error).strip().split("\n", 1)[0]
