"""The API's way to the database: a pool of read-only sessions that survives the database's absence."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Concatenate, NamedTuple, ParamSpec, Protocol, TypeVar

import psycopg
from psycopg import errors
from psycopg_pool import PoolClosed, PoolTimeout, TooManyRequests

from btcql.errors import DatabaseBusyError, DatabaseUnavailableError, QueryError
from database.sessions import Connection, Sessions

__all__ = ["Connection", "Pool", "Reads", "Snapshot"]

P = ParamSpec("P")
R = TypeVar("R")

logger = logging.getLogger("btcql.database")

_SESSION = """
SELECT set_config(name, value, false), EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb')
FROM unnest(%(names)s::text[], %(values)s::text[]) AS setting (name, value)
"""
# What a database says that is there but not (yet) fit to answer.
_NOT_READY = (errors.UndefinedTable, errors.UndefinedObject, errors.InsufficientPrivilege)
# What asking again would not change.
_FINAL = (PoolTimeout, PoolClosed, TooManyRequests, errors.QueryCanceled)
_TRANSLATED = (
    psycopg.OperationalError,  # the kind of a timeout, and of what the pool raises
    psycopg.InterfaceError,
    errors.InFailedSqlTransaction,
    *_NOT_READY,
)
_BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"


class Reads(Protocol):
    """What runs a reader: a pool, or one of its snapshots."""

    async def run(
        self, reader: Callable[Concatenate[Connection, P], Awaitable[R]], /, *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """Return `reader(connection, *args, **kwargs)`."""


class Limits(NamedTuple):
    """How many sessions there may be; how many may wait for one, and each for how many seconds."""

    size: int
    waiting: int
    wait_seconds: float


class Pool:
    """Read-only sessions, built closed; `open` never waits for the database, nor fails without it.

    `run` gives a reader a session, tries it once more when the session turns out to be dead (every
    reader only reads, so asking twice is harmless), and translates what goes wrong.
    """

    def __init__(
        self,
        url: str,
        *,
        size: int = 8,
        waiting: int = 128,
        wait_seconds: float = 2.0,
        statement_seconds: float = 10.0,
    ) -> None:
        self.limits = Limits(size, waiting, wait_seconds)
        self._statement_seconds = statement_seconds
        self._sessions = Sessions(url, self._configure, size=size, waiting=waiting, wait_seconds=wait_seconds)

    async def open(self) -> None:
        """Begin to connect, in the background."""
        await self._sessions.open()

    async def close(self) -> None:
        """Close every session."""
        await self._sessions.close()

    def stats(self) -> dict[str, int]:
        """Return the pool's figures, by psycopg's names: pool_size, requests_waiting, ..."""
        return self._sessions.stats()

    async def run(
        self, reader: Callable[Concatenate[Connection, P], Awaitable[R]], /, *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """Return `reader(connection, *args, **kwargs)`.

        Raises DatabaseUnavailableError when the database does not answer or is not migrated, and as its kind
        DatabaseBusyError when no session is to spare in time; QueryError (TIMEOUT) when a statement takes
        too long.
        """
        try:
            try:
                return await self._attempt(reader, *args, **kwargs)
            except (psycopg.OperationalError, psycopg.InterfaceError) as error:
                if isinstance(error, _FINAL):
                    raise
                logger.warning("a session was lost (%s); asking again", error)
                await self._sessions.check()
                return await self._attempt(reader, *args, **kwargs)
        except _TRANSLATED as error:
            raise _translate(error, self._statement_seconds) from error

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Snapshot]:
        """Yield one session whose readers all see the data as of its first read; raises as `run` does.

        It goes back to the pool at the end, whatever happened; a query under way is cancelled with its task.
        """
        try:
            connection = await self._begin()
        except _TRANSLATED as error:
            raise _translate(error, self._statement_seconds) from error
        snapshot = Snapshot(connection, self._statement_seconds)
        try:
            yield snapshot
        finally:
            try:
                await snapshot.end()
            except (psycopg.OperationalError, psycopg.InterfaceError) as error:
                logger.warning("a snapshot's session was lost at its end (%s)", error)
            finally:
                self._sessions.give_back(connection)

    async def _begin(self) -> Connection:
        """Return a session in a transaction; a session that turns out to be dead is replaced once."""
        for attempt in (1, 2):
            connection = await self._sessions.take()
            try:
                await connection.execute(_BEGIN)
            except BaseException as error:
                self._sessions.give_back(connection)
                lost = isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError))
                if attempt > 1 or not lost:
                    raise
                logger.warning("a session was lost (%s); taking another", error)
                await self._sessions.check()
            else:
                break
        return connection

    async def _attempt(
        self, reader: Callable[Concatenate[Connection, P], Awaitable[R]], *args: P.args, **kwargs: P.kwargs
    ) -> R:
        connection = await self._sessions.take()
        try:
            return await reader(connection, *args, **kwargs)
        finally:
            self._sessions.give_back(connection)

    async def _configure(self, connection: Connection) -> None:
        settings = {
            "TimeZone": "UTC",
            "default_transaction_read_only": "on",
            # for a snapshot: its readers see one version of the data
            "default_transaction_isolation": "repeatable read",
            "statement_timeout": str(int(self._statement_seconds * 1000)),
            # What is asked for is in memory mostly, or on flash: at PostgreSQL's 4, for disks, it would plan
            # each question for a few days anew rather than keep a plan that looks into a few chunks' indexes.
            "random_page_cost": "1.1",
            "jit": "off",
        }
        parameters = {"names": list(settings), "values": list(settings.values())}
        cursor = await connection.execute(_SESSION, parameters)
        row = await cursor.fetchone()
        assert row is not None
        connection.prepared.has_chunks = row[1]


class Snapshot:
    """A session in a transaction: what its readers read is of one version of the data."""

    def __init__(self, connection: Connection, statement_seconds: float) -> None:
        self._connection, self._statement_seconds = connection, statement_seconds
        self._lock = asyncio.Lock()

    async def run(
        self, reader: Callable[Concatenate[Connection, P], Awaitable[R]], /, *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """Return `reader(connection, *args, **kwargs)`; raises as Pool.run does, but never asks again.

        Readers have the session one after the other, as they came.
        """
        try:
            async with self._lock:
                return await reader(self._connection, *args, **kwargs)
        except _TRANSLATED as error:
            raise _translate(error, self._statement_seconds) from error

    async def end(self) -> None:
        """End the transaction, once nobody reads any more: a reader who is cancelled takes a while to end."""
        async with self._lock:
            if not self._connection.closed:
                # No rollback: after one nothing would be prepared. A failed transaction ends by either.
                await self._connection.commit()


def _translate(error: psycopg.Error, statement_seconds: float) -> Exception:
    """Return the error that callers know, for one of psycopg's that is translated."""
    # the statement itself, or an earlier one of its snapshot
    if isinstance(error, (errors.QueryCanceled, errors.InFailedSqlTransaction)):
        return QueryError(
            "TIMEOUT",
            f"the answer took more than {statement_seconds:g} s: "
            "ask for a shorter range or a coarser interval",
        )
    if isinstance(error, TooManyRequests):
        return DatabaseBusyError(f"the database has no session to spare: {error}")
    if isinstance(error, _NOT_READY):
        return DatabaseUnavailableError(f"the database is not ready: {error}")
    return DatabaseUnavailableError(f"the database does not answer: {error}")
