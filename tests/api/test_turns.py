"""Turns are taken by so many at a time, in the order they were asked for, and none is ever lost."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest

from btcql.errors import DatabaseBusyError
from graphql_api.turns import Turns


def run(body: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        await body()

    asyncio.run(asyncio.wait_for(main(), 60))


async def let_run() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_who_waits_for_longest_is_next() -> None:
    async def body() -> None:
        turns, order = Turns(2), list[int]()

        async def work(number: int) -> None:
            await turns.take()
            order.append(number)

        tasks = [asyncio.create_task(work(number)) for number in range(5)]
        await let_run()
        assert order == [0, 1]
        assert turns.waiting == 3
        for expected in (2, 3, 4):
            turns.give_back()
            await let_run()
            assert order[-1] == expected
        await asyncio.gather(*tasks)
        assert (turns.waiting, turns.refused) == (0, 0)

    run(body)


def test_more_than_may_wait_are_refused_at_once_and_the_others_when_their_time_is_over() -> None:
    async def body() -> None:
        turns = Turns(1, waiting=2, seconds=0.2)
        await turns.take()
        waiting = [asyncio.create_task(turns.take()) for _ in range(2)]
        await let_run()
        with pytest.raises(DatabaseBusyError, match="2 others wait"):
            await turns.take()
        assert (turns.waiting, turns.refused) == (2, 1)
        for task in waiting:
            with pytest.raises(DatabaseBusyError, match="in time"):
                await task
        assert (turns.waiting, turns.refused) == (0, 3)
        turns.give_back()
        await turns.take()

    run(body)


def test_where_turns_end_the_others_wait_on_for_a_while() -> None:
    async def body() -> None:
        turns, waited = Turns(1, waiting=99, seconds=0.5), list[float]()
        began = time.monotonic()

        async def work() -> None:
            await turns.take()
            waited.append(time.monotonic() - began)
            await asyncio.sleep(0.1)
            turns.give_back()

        ends = await asyncio.gather(*(work() for _ in range(40)), return_exceptions=True)
        assert waited == sorted(waited)
        assert 0.5 < waited[-1] < 2.1
        refused = [end for end in ends if isinstance(end, DatabaseBusyError)]
        assert len(refused) == turns.refused == 40 - len(waited) > 0
        assert turns.waited == 39

    run(body)


@pytest.mark.parametrize("given_back", ["before", "in the same moment", "after"])
def test_whoever_leaves_takes_no_turn_along(given_back: str) -> None:
    async def body() -> None:
        turns = Turns(1)
        await turns.take()
        first, second = (asyncio.create_task(turns.take()) for _ in range(2))
        await let_run()
        if given_back == "before":  # it has come, but nobody has noticed yet
            turns.give_back()
        first.cancel()
        if given_back == "in the same moment":
            turns.give_back()
        with pytest.raises(asyncio.CancelledError):
            await first
        if given_back == "after":
            assert turns.waiting == 1
            turns.give_back()
        await second
        assert turns.waiting == 0
        turns.give_back()
        await turns.take()

    run(body)
