"""When to look for what is new: woken by changes of a market, and by the clock where it completes a day."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

from btcql import calendar
from database.listener import Change, Listener
from graphql_api.lifetime import next_boundary

_RETRY_SECONDS = 1.0
_LONGEST = 3600.0  # seconds; a clock may be set


class Feed:
    """Wakes whoever follows a market. Nothing is queued: who is woken looks for all that is new since."""

    def __init__(self, listener: Listener, clock: Callable[[], datetime]) -> None:
        self._listener, self._clock = listener, clock

    def now(self) -> int:
        """Return the time, epoch microseconds."""
        return calendar.microseconds(self._clock())

    @contextmanager
    def follow(self, symbol: str) -> Iterator[Wakening]:
        """Yield what wakes at each change of the market, and at those of which nobody knows what changed."""
        changed = asyncio.Event()

        def take(change: Change) -> None:
            if change.symbol in {symbol, None}:
                changed.set()

        with self._listener.follow(take):
            yield Wakening(changed, self.now)


class Wakening:
    """What a follower waits for."""

    def __init__(self, changed: asyncio.Event, now: Callable[[], int]) -> None:
        self._changed, self._now = changed, now
        self._began = now()

    def begin(self) -> None:
        """Begin to look: changes from here on wake again, and so does what the clock completes."""
        self._changed.clear()
        self._began = self._now()

    async def wait(self) -> None:
        """Return at the next change since `begin`, or when the clock may have completed a bar."""
        seconds = (next_boundary(self._began) - self._now()) / 1_000_000
        await self._wait(min(max(seconds, 0), _LONGEST))

    async def wait_for_database(self) -> None:
        """Return when it is worth asking a database again that did not answer."""
        await self._wait(_RETRY_SECONDS)

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            pass
