"""An answer is worked at for a while, and only while someone waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Self, TypeVar

from starlette.requests import ClientDisconnect
from starlette.types import Receive

from btcql.errors import QueryError

SECONDS = 15.0  # for a whole answer: above the time that the database has for one statement of it
_QUICK_SECONDS = 0.1  # most answers are there before it is worth to look for the client, or at the clock

T = TypeVar("T")


class Ending:
    """Something that may end the task at hand, and then is what the `with` raises.

    What `asyncio.timeout` is for time alone, with a fraction of its calls: each request has two of these.
    """

    def __init__(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._task = task
        self._reason: Exception | None = None

    def end(self, reason: Exception) -> None:
        """Cancel the task, for the first reason that is given."""
        if self._reason is None:
            self._reason = reason
            self._task.cancel()

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Raise the reason, unless others cancelled the task too, or what it did was there already."""
        if self._reason is None:
            return
        others = self._task.uncancel()
        if kind is asyncio.CancelledError and not others:
            raise self._reason from None


class Attendance:
    """Answers that are worked at: of long ones it is watched whether someone waits, and for how long.

    Most are there within a moment. One timer looks for the others, so that none needs one of its own.
    """

    def __init__(self) -> None:
        self._new, self._seen = set[_Attended](), set[_Attended]()  # since the timer looked; from before
        self._loop: asyncio.AbstractEventLoop | None = None  # whose timer is to look

    async def attend(self, receive: Receive, answer: Awaitable[T]) -> T:
        """Return the answer, else cancel it, which ends what the database does for it.

        Raises QueryError (TIMEOUT) after SECONDS, ClientDisconnect once `receive` says that the client has
        left. The request's body must have been read.
        """
        attended = _Attended(receive)
        self._new.add(attended)
        if self._loop is not attended.loop:
            self._loop = attended.loop
            attended.loop.call_later(_QUICK_SECONDS, self._look, attended.loop)
        try:
            with attended:
                return await answer
        finally:
            self._new.discard(attended)
            self._seen.discard(attended)
            for watching in attended.watching:
                watching.cancel()

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        for attended in self._seen:
            attended.watch()
        self._seen, self._new = self._new, set()
        self._loop = loop if self._seen else None
        if self._seen:
            loop.call_later(_QUICK_SECONDS, self._look, loop)


class _Attended(Ending):
    """An answer that may be ended by its client's leaving, or by its time."""

    def __init__(self, receive: Receive) -> None:
        super().__init__()
        self.loop = asyncio.get_running_loop()
        self._receive, self._ends = receive, self.loop.time() + SECONDS
        self.watching: tuple[asyncio.Task[None] | asyncio.TimerHandle, ...] = ()

    def watch(self) -> None:
        """Begin to watch for both."""
        leaving = self.loop.create_task(self._watch())
        self.watching = leaving, self.loop.call_at(self._ends, self.end, _too_late())

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.end(ClientDisconnect())


def _too_late() -> QueryError:
    return QueryError(
        "TIMEOUT",
        f"the answer took more than {SECONDS:g} s: ask for fewer fields, a shorter range or a "
        "coarser interval",
    )
