"""The sessions themselves: few, waited for by a bounded number, refused at once while the database is away.

psycopg's pool alone would not come back from an outage under load: whoever waited in vain stays in its queue,
and a full queue lets nobody in who would make it connect again. So its queue is counted here, and the
database is looked for here.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from functools import cached_property
from typing import Any

import psycopg
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool, PoolTimeout, TooManyRequests

from database.prepared import Prepared
from database.watch import Watch

logger = logging.getLogger("btcql.database")

_CONNECT_SECONDS = 5
_PAUSE_SECONDS = 0.25  # between looks for a database that is away


class Connection(psycopg.AsyncConnection[TupleRow]):
    """A session that keeps statements prepared."""

    @cached_property
    def prepared(self) -> Prepared:
        """Its statements, of results in binary."""
        return Prepared(self, self.watch)

    @cached_property
    def watch(self) -> Watch:
        """What watches its socket; the sessions of a pool have theirs in common."""
        return Watch()

    async def rollback(self) -> None:
        """Roll back, with nothing prepared any more: psycopg drops its own then, and with them ours."""
        await super().rollback()
        if "prepared" in vars(self) and self.prepared.forget():  # it is not to be made for this
            await self.execute("DEALLOCATE ALL")


class Sessions:
    """At most `size` sessions, each prepared by `configure`; at most `waiting` callers wait for one."""

    def __init__(
        self,
        url: str,
        configure: Callable[[Connection], Awaitable[None]],
        *,
        size: int,
        waiting: int,
        wait_seconds: float,
    ) -> None:
        self._url, self._most_waiting = url, waiting
        self._configured_by, self._watch = configure, Watch()
        self._waiting = self._lent = 0
        self._lookout: asyncio.Task[None] | None = None
        self._returning: set[asyncio.Task[None]] = set()
        self._checking: set[asyncio.Task[None]] = set()
        self._pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            url,
            connection_class=Connection,
            open=False,
            min_size=1,
            max_size=size,
            timeout=wait_seconds,
            # A longer one would back off to minutes between attempts, and the API would come back that much
            # later than the database: a given-up attempt is followed by looking out for it.
            reconnect_timeout=1.0,
            reconnect_failed=self._look_out,
            kwargs={
                "autocommit": True,
                "connect_timeout": _CONNECT_SECONDS,
                "application_name": "btcql-api",
            },
            configure=self._configure,
            name="btcql-api",
        )

    async def _configure(self, connection: Connection) -> None:
        connection.watch = self._watch
        await self._configured_by(connection)

    async def open(self) -> None:
        """Begin to connect, in the background."""
        await self._pool.open(wait=False)

    async def close(self) -> None:
        """Close every session."""
        if self._lookout is not None:
            self._lookout.cancel()
            await asyncio.wait([self._lookout])
        if under_way := self._returning | self._checking:
            await asyncio.wait(under_way)
        await self._pool.close()

    def stats(self) -> dict[str, int]:
        """Return the figures by psycopg's names; waiting are those who still do."""
        stats = self._pool.get_stats()
        available = stats["pool_available"] + len(self._returning)
        return {**stats, "pool_available": available, "requests_waiting": self._waiting}

    async def take(self) -> Connection:
        """Return a session, which is to be given back.

        Raises TooManyRequests when none is free in time, or enough wait already; PoolTimeout where nobody has
        one, and at once while the database is known to be away.
        """
        if self._is_away and not self._pool.get_stats()["pool_size"]:
            raise PoolTimeout("no session can be made")
        if self._waiting >= self._most_waiting:
            raise self._refusal(f"{self._waiting} requests wait for a session already")
        task = asyncio.current_task()
        assert task is not None
        cancelled = task.cancelling()
        self._waiting += 1
        try:
            connection = await self._pool.getconn()
        except psycopg.OperationalError as error:
            if task.cancelling() > cancelled:
                raise asyncio.CancelledError from error
            if isinstance(error, PoolTimeout):
                raise self._refusal(f"no session came free: {error}") from error
            raise
        finally:
            self._waiting -= 1
        self._lent += 1
        # In the very moment that the session came: Python 3.11's wait_for, which the pool uses, is deaf then.
        if task.cancelling() > cancelled:
            self.give_back(connection)
            raise asyncio.CancelledError
        return connection

    def give_back(self, connection: Connection) -> None:
        """Take a session back, whatever became of it.

        By a task of its own: psycopg's pool would lose it with whoever is cancelled while they wait there.
        """
        self._lent -= 1
        self._begin(self._pool.putconn(connection), self._returning)

    @staticmethod
    def _begin(work: Coroutine[Any, Any, None], among: set[asyncio.Task[None]]) -> asyncio.Task[None]:
        """Return a task that does the work, and is among others until its end."""
        task = asyncio.get_running_loop().create_task(work)
        among.add(task)
        task.add_done_callback(among.discard)
        return task

    def _refusal(self, why: str) -> psycopg.OperationalError:
        """Return the error of no session: others have them all, or none can be made."""
        return TooManyRequests(why) if self._lent else PoolTimeout(why)

    async def check(self) -> None:
        """Replace the free sessions that are dead.

        By a task of its own: psycopg's pool takes a session for dead where whoever waits is cancelled.
        """
        await asyncio.shield(self._begin(self._pool.check(), self._checking))

    @property
    def _is_away(self) -> bool:
        return self._lookout is not None and not self._lookout.done()

    async def _look_out(self, _: Any) -> None:
        """Begin to look for the database: an attempt to make a session was given up."""
        if not self._is_away:
            self._lookout = asyncio.create_task(self._find())

    async def _find(self) -> None:
        logger.warning("no session can be made: looking for the database")
        while True:
            try:
                found = await psycopg.AsyncConnection.connect(self._url, connect_timeout=_CONNECT_SECONDS)
            except (psycopg.Error, OSError):
                await asyncio.sleep(_PAUSE_SECONDS)
            else:
                await found.close()
                logger.warning("the database answers again")
                return
