"""An answer is worked at for a while, and only while someone waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from starlette.requests import ClientDisconnect, Request

from btcql.errors import QueryError

SECONDS = 15.0  # for a whole answer: above the time that the database has for one statement of it
_QUICK_SECONDS = 0.1  # most answers are there before it is worth to look at the clock, or for the client

T = TypeVar("T")


async def attend(request: Request, answer: Awaitable[T]) -> T:
    """Return the answer, else cancel it, which ends what the database does for it.

    Raises QueryError (TIMEOUT) after SECONDS, ClientDisconnect once the client has left. The request's
    body must have been read.
    """
    task = asyncio.current_task()
    assert task is not None
    loop = asyncio.get_running_loop()
    ends = loop.time() + SECONDS
    begun: list[asyncio.Task[None] | asyncio.TimerHandle] = []
    ended: Exception | None = None

    def end(reason: Exception) -> None:
        nonlocal ended
        if ended is None:
            ended = reason
            task.cancel()

    async def watch() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass
        end(ClientDisconnect())

    def begin() -> None:
        begun.append(loop.create_task(watch()))
        begun.append(loop.call_at(ends, end, _too_late()))

    timer = loop.call_later(_QUICK_SECONDS, begin)
    try:
        return await answer
    except asyncio.CancelledError:
        if ended is not None and task.cancelling() == 1:
            raise ended from None
        raise
    finally:
        timer.cancel()
        for watching in begun:
            watching.cancel()
        if ended is not None:  # also where the answer was there already when its end came
            task.uncancel()


def _too_late() -> QueryError:
    return QueryError(
        "TIMEOUT",
        f"the answer took more than {SECONDS:g} s: ask for fewer fields, a shorter range or a "
        "coarser interval",
    )
