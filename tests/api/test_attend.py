"""What attends to an answer leaves nothing behind in the task that it ran in."""

from __future__ import annotations

import asyncio

import pytest
from starlette.types import Message

from btcql.errors import QueryError
from graphql_api import deadline


async def never() -> Message:
    await asyncio.Event().wait()
    raise AssertionError


async def stubborn() -> str:
    try:
        return await slow()
    except asyncio.CancelledError:
        return "there already"


async def slow() -> str:
    await asyncio.sleep(60)
    return "in time"


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadline, "SECONDS", 0.2)


def test_an_answer_that_came_with_its_end_counts() -> None:
    async def ask() -> None:
        assert await deadline.Attendance().attend(never, stubborn()) == "there already"
        _assert_nothing_is_cancelled()

    asyncio.run(ask())


def test_an_answer_that_takes_too_long_is_ended() -> None:
    async def ask() -> None:
        for _ in range(2):  # the task can go on as if nothing had been
            with pytest.raises(QueryError, match="took more than"):
                await deadline.Attendance().attend(never, slow())
            _assert_nothing_is_cancelled()

    asyncio.run(ask())


def test_whoever_cancels_the_task_itself_is_obeyed() -> None:
    async def ask() -> None:
        task = asyncio.create_task(deadline.Attendance().attend(never, slow()))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(ask())


def _assert_nothing_is_cancelled() -> None:
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
