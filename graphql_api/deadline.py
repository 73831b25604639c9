"""An answer is worked at for a while, and only while someone waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Self, TypeVar

from starlette.requests import ClientDisconnect
from starlette.types import Receive

from btcql.errors import QueryError

SECONDS = 15.0  # for a whole answer: above the time that the database has for one statement of it
_QUICK_SECONDS = 0.1  # most answers are there before it is worth to look at the clock, or for the client

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


async def attend(receive: Receive, answer: Awaitable[T]) -> T:
    """Return the answer, else cancel it, which ends what the database does for it.

    Raises QueryError (TIMEOUT) after SECONDS, ClientDisconnect once `receive` says that the client has left.
    The request's body must have been read.
    """
    loop = asyncio.get_running_loop()
    ends = loop.time() + SECONDS
    begun: list[asyncio.Task[None] | asyncio.TimerHandle] = []
    ending = Ending()

    async def watch() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        ending.end(ClientDisconnect())

    def begin() -> None:
        begun.append(loop.create_task(watch()))
        begun.append(loop.call_at(ends, ending.end, _too_late()))

    timer = loop.call_later(_QUICK_SECONDS, begin)
    try:
        with ending:
            return await answer
    finally:
        timer.cancel()
        for watching in begun:
            watching.cancel()


def _too_late() -> QueryError:
    return QueryError(
        "TIMEOUT",
        f"the answer took more than {SECONDS:g} s: ask for fewer fields, a shorter range or a "
        "coarser interval",
    )
