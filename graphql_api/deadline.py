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
    watching: list[asyncio.Task[None]] = []
    gone = False

    async def watch() -> None:
        nonlocal gone
        while (await request.receive())["type"] != "http.disconnect":
            pass
        gone = True
        task.cancel()

    loop = asyncio.get_running_loop()
    limit, ends = asyncio.timeout(None), loop.time() + SECONDS

    def begin_watching() -> None:
        limit.reschedule(ends)
        watching.append(loop.create_task(watch()))

    timer = loop.call_later(_QUICK_SECONDS, begin_watching)
    try:
        async with limit:
            return await answer
    except TimeoutError:
        raise QueryError(
            "TIMEOUT",
            f"the answer took more than {SECONDS:g} s: ask for fewer fields, a shorter range or a "
            "coarser interval",
        ) from None
    except asyncio.CancelledError:
        if gone and task.uncancel() == 0:
            raise ClientDisconnect from None
        raise
    finally:
        timer.cancel()
        for watcher in watching:
            watcher.cancel()
