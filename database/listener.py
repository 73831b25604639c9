"""Hearing of changes: one session that listens, and comes back by itself when it is lost."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
from psycopg import Notify, errors

from database.pool import Connection
from database.queries import query

logger = logging.getLogger("btcql.database")

_POLL_SECONDS = 10.0  # the safety net: a session whose other end is gone says nothing by itself
_STANDBY_POLL_SECONDS = 0.25  # a standby takes no LISTEN, and is asked instead
_ANSWER_SECONDS = 5.0
_LEAST_PAUSE, _MOST_PAUSE = 0.1, 1.0  # seconds between attempts to connect


@dataclass(frozen=True)
class DataState:
    """What the data is now: its version; whether all aggregates are refreshed."""

    version: int
    settled: bool


@dataclass(frozen=True)
class Change:
    """One change of a market, by kind: load, removal, aggregates or forecast.

    Without a symbol: it is not known what changed while nobody listened, so it may be anything.
    """

    symbol: str | None
    kind: str


class Listener:
    """Follows the data's state, and passes each change on; `run` goes on until it is cancelled.

    The state is that of the server at `url`: a standby's is what has come there by now, as its answers are.
    What changed is not told there, so that it may be anything.

    state: None while the database cannot be heard, and it may be of any version.
    is_down: whether the newest attempt to reach the database failed.
    """

    def __init__(self, url: str, *, poll_seconds: float = _POLL_SECONDS) -> None:
        self._url, self._poll_seconds = url, poll_seconds
        self._followers: set[Callable[[Change], None]] = set()
        self.state: DataState | None = None
        self.is_down = False

    @contextmanager
    def follow(self, follower: Callable[[Change], None]) -> Iterator[None]:
        """Call `follower` with each change, after `state` has been read anew, in the block."""
        self._followers.add(follower)
        try:
            yield
        finally:
            self._followers.discard(follower)

    async def run(self) -> None:
        """Listen, and connect again whenever the session is lost."""
        pause = _LEAST_PAUSE
        while True:
            try:
                async with await self._connect() as connection:
                    listens = not await self._is_standby(connection)
                    if listens:
                        await connection.execute(query("listen_to_changes"))
                    await self._take(connection, [Change(None, "reconnected")])
                    pause = _LEAST_PAUSE
                    while True:
                        if listens:
                            await self._hear(connection)
                        else:
                            await asyncio.sleep(_STANDBY_POLL_SECONDS)
                            await self._take(connection, [])
            except (psycopg.Error, OSError, TimeoutError) as error:
                if self.state is not None or not self.is_down:
                    logger.warning("changes of the data are not heard: %s", error)
                # a session that was lost may be had again at once: only then is it known
                self.is_down, self.state = self.state is None, None
            await asyncio.sleep(pause)
            pause = min(2 * pause, _MOST_PAUSE)

    async def _connect(self) -> Connection:
        return await Connection.connect(
            self._url,
            autocommit=True,
            connect_timeout=int(_ANSWER_SECONDS),
            application_name="btcql-api-listener",
            keepalives_idle=10,
            keepalives_interval=5,
            keepalives_count=2,
        )

    @staticmethod
    async def _is_standby(connection: Connection) -> bool:
        async with asyncio.timeout(_ANSWER_SECONDS):
            cursor = await connection.execute(query("is_standby"))
            return await cursor.fetchone() == (True,)

    async def _hear(self, connection: Connection) -> None:
        """Wait for changes, or until the poll is due, and take in what came."""
        notices = [notice async for notice in connection.notifies(timeout=self._poll_seconds, stop_after=1)]
        await self._take(connection, [_change(notice) for notice in notices])

    async def _take(self, connection: Connection, changes: list[Change]) -> None:
        """Read the state and pass the changes on, once each; an unheard one is a change of anything."""
        before = self.state
        async with asyncio.timeout(_ANSWER_SECONDS):
            cursor = await connection.execute(query("fetch_state"))
            row = await cursor.fetchone()
        assert row is not None
        version, settled = row
        if version is None:
            raise errors.NoData("the database has no version of its data")
        self.state, self.is_down = DataState(version, settled), False
        if not changes and before is not None and before.version != version:
            changes = [Change(None, "polled")]
        for change in dict.fromkeys(changes):
            for follower in tuple(self._followers):
                follower(change)


def _change(notice: Notify) -> Change:
    """Return the change that a notice tells of; of anything, if somebody else has written it."""
    try:
        told = json.loads(notice.payload)
        # of no market: rows of the list of refreshes that are older than their symbols
        return Change(told["symbol"] or None, told["kind"])
    except (ValueError, KeyError, TypeError):
        logger.warning("a notice on %s is not of btcql's making: %.200r", notice.channel, notice.payload)
        return Change(None, "unknown")
