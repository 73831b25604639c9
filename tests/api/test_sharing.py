"""One computation for all who ask the same at a time, and a bound on the bytes that are kept."""

from __future__ import annotations

import asyncio

import pytest

from graphql_api.cache import Cache, Flights, Kept, Question
from graphql_api.encoding import Encoded
from graphql_api.lifetime import Lifetime


class Work:
    """A computation that ends when it is told to, and counts how often it was begun."""

    def __init__(self, failing: int = 0) -> None:
        self.begun = self.cancelled = 0
        self.may_end = asyncio.Event()
        self._failing = failing

    async def __call__(self) -> str:
        self.begun += 1
        failing = self.begun <= self._failing
        try:
            await self.may_end.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if failing:
            raise ValueError("it failed")
        return "done"


async def join(flights: Flights[str], work: Work, number: int) -> list[asyncio.Task[str]]:
    """Return tasks that have all joined, in order."""
    tasks = [asyncio.create_task(flights.join("key", work)) for _ in range(number)]
    for _ in range(3):
        await asyncio.sleep(0)
    return tasks


def test_all_who_ask_at_a_time_are_answered_by_one_computation() -> None:
    async def body() -> None:
        flights, work = Flights[str](), Work()
        tasks = await join(flights, work, 10)
        work.may_end.set()
        assert await asyncio.gather(*tasks) == ["done"] * 10
        assert work.begun == 1
        assert await flights.join("key", work) == "done"
        assert work.begun == 2, "what has ended is nobody's any more"

    asyncio.run(body())


@pytest.mark.parametrize("leaver", [0, 1, 2], ids=["the first", "another", "the last"])
def test_whoever_leaves_takes_nobody_down(leaver: int) -> None:
    async def body() -> None:
        flights, work = Flights[str](), Work()
        tasks = await join(flights, work, 3)
        tasks[leaver].cancel()
        await asyncio.wait([tasks[leaver]])
        work.may_end.set()
        others = [task for task in tasks if task is not tasks[leaver]]
        assert await asyncio.gather(*others) == ["done"] * 2
        assert (work.begun, work.cancelled) == (1, 0)

    asyncio.run(body())


def test_what_nobody_waits_for_any_more_is_cancelled() -> None:
    async def body() -> None:
        flights, work = Flights[str](), Work()
        tasks = await join(flights, work, 3)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        (late,) = await join(flights, work, 1)
        assert (work.begun, work.cancelled) == (2, 1)
        work.may_end.set()
        assert await late == "done"

    asyncio.run(body())


def test_the_failure_of_the_first_is_its_own() -> None:
    async def body() -> None:
        flights, work = Flights[str](), Work(failing=1)
        tasks = await join(flights, work, 3)
        work.may_end.set()
        first, *others = await asyncio.gather(*tasks, return_exceptions=True)
        assert isinstance(first, ValueError)
        assert others == ["done"] * 2

    asyncio.run(body())


def kept(size: int) -> Kept:
    return Kept(Encoded(b"x" * size), 1, 0, Lifetime(1))


def test_the_longest_unused_go_when_there_is_no_room() -> None:
    cache = Cache(100_000)
    questions = [Question(f"{{ f{number} }}", None, b"", frozenset()) for number in range(30)]
    for question in questions[:10]:
        cache.keep(question, kept(4_000))
    for question in questions[10:]:
        assert cache.find(questions[0]) is not None
        cache.keep(question, kept(4_000))
        assert cache.size <= 100_000
    assert [cache.find(question) is not None for question in questions] == [True, *[False] * 19, *[True] * 10]
    cache.keep(questions[-1], kept(10))
    assert len(cache) == 11, "one of each question"
    cache.keep(questions[-1], kept(11_000))
    assert cache.find(questions[-1]) is not None, "a large one"
    cache.keep(questions[-1], kept(13_000))
    assert cache.find(questions[-1]) is None, "one that is too large is not kept, and no older one either"
