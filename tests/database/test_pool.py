"""The API's sessions, when the database is not there for a while."""

from __future__ import annotations

import asyncio
import os
import time

import psycopg
import pytest

from btcql.errors import DatabaseUnavailableError
from database.address import with_database
from database.creation import create_database
from database.pool import Connection, Pool

pytestmark = pytest.mark.parametrize("edition", ["plain"], indirect=True, scope="session")


async def answer(connection: Connection) -> int:
    cursor = await connection.execute("SELECT 42")
    row = await cursor.fetchone()
    assert row is not None
    return int(row[0])


async def refused(pool: Pool) -> bool:
    try:
        await pool.run(answer)
    except DatabaseUnavailableError:
        return True
    return False


async def outlive(pool: Pool, server_url: str, name: str) -> None:
    await pool.open()
    try:
        # far more than may wait at a time, from before the first session was given up until long after
        end = time.monotonic() + 3
        while time.monotonic() < end:
            assert all(await asyncio.gather(*(refused(pool) for _ in range(8))))
            await asyncio.sleep(0.02)
        began = time.monotonic()
        assert await refused(pool)
        assert time.monotonic() - began < 20  # nobody waits for what is not there
        await asyncio.to_thread(create_database, server_url, name)
        began = time.monotonic()
        while await refused(pool):
            assert time.monotonic() - began < 60
            await asyncio.sleep(0.05)
        assert await asyncio.gather(*(pool.run(answer) for _ in range(4))) == [42] * 4
    finally:
        await pool.close()


def test_sessions_come_back_after_an_outage_that_many_waited_in(server_url: str) -> None:
    name = f"late_{os.getpid()}"
    pool = Pool(with_database(server_url, name), size=2, waiting=4, wait_seconds=0.2)
    try:
        asyncio.run(outlive(pool, server_url, name))
    finally:
        with psycopg.connect(server_url, autocommit=True) as admin:
            admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)".encode())


def test_no_session_is_lost_with_those_who_leave(server_url: str) -> None:
    async def leave(pool: Pool) -> None:
        await pool.open()
        try:
            for turns in range(40):
                asking = [asyncio.create_task(pool.run(answer)) for _ in range(12)]
                await asyncio.sleep(0)
                await asyncio.sleep(0)
                time.sleep(0.005)  # noqa: ASYNC251 - a busy loop: all have their answers at the same time
                for _ in range(turns):
                    await asyncio.sleep(0)
                for task in reversed(asking):  # those who wait, then those who give their session back
                    task.cancel()
                    await asyncio.sleep(0)
                await asyncio.wait(asking)
            end = time.monotonic() + 10
            while (stats := pool.stats())["pool_available"] < stats["pool_size"]:
                assert time.monotonic() < end, stats
                await asyncio.sleep(0.05)
            assert await asyncio.gather(*(pool.run(answer) for _ in range(8))) == [42] * 8
        finally:
            await pool.close()

    asyncio.run(leave(Pool(server_url, size=4)))


async def hold_and_wait(pool: Pool) -> tuple[asyncio.Event, asyncio.Task[int], asyncio.Task[int]]:
    """Take the pool's only session until the event is set; return it, who holds it, and who waits for it."""
    release = asyncio.Event()

    async def hold(_: Connection) -> int:
        await release.wait()
        return 0

    holding = asyncio.create_task(pool.run(hold))
    await asyncio.sleep(0)
    waiting = asyncio.create_task(pool.run(hold))
    await asyncio.sleep(0.01)
    assert pool.stats()["requests_waiting"] == 1
    return release, holding, waiting


def test_who_waits_for_a_session_can_leave_at_any_moment(server_url: str) -> None:
    async def leave(pool: Pool, turns: int) -> None:
        """Cancel one who waits for a session that comes back, so many turns of the loop after that."""
        release, holding, waiting = await hold_and_wait(pool)
        release.set()
        for _ in range(turns):
            await asyncio.sleep(0)
        release.clear()
        waiting.cancel()
        await asyncio.wait([waiting], timeout=10)
        assert waiting.done(), f"it goes on, cancelled after {turns} turns"
        assert await holding == 0

    async def leave_at_each() -> None:
        pool = Pool(server_url, size=1)
        await pool.open()
        try:
            await pool.run(answer)
            for turns in range(30):
                await leave(pool, turns)
            assert await pool.run(answer) == 42
        finally:
            await pool.close()

    asyncio.run(leave_at_each())


def test_who_asks_again_for_a_session_was_lost_can_leave_at_any_moment(server_url: str) -> None:
    async def leave(pool: Pool, turns: int) -> None:
        asked, left = asyncio.Event(), asyncio.Event()

        async def lose(_: Connection) -> int:
            if asked.is_set():  # again, as may be before it is cancelled
                assert not left.is_set(), f"it asks again, cancelled after {turns} turns"
                await left.wait()
            asked.set()
            raise psycopg.OperationalError("the session was lost")

        leaving = asyncio.create_task(pool.run(lose))
        await asked.wait()
        for _ in range(turns):
            await asyncio.sleep(0)
        leaving.cancel()
        left.set()
        await asyncio.wait([leaving], timeout=10)
        assert leaving.cancelled()

    async def leave_at_each() -> None:
        pool = Pool(server_url, size=2)
        await pool.open()
        try:
            assert await asyncio.gather(*(pool.run(answer) for _ in range(2))) == [42] * 2
            for turns in range(1, 6):  # it takes longer to look whether the others are lost, too
                await leave(pool, turns)
            assert await pool.run(answer) == 42
        finally:
            await pool.close()

    asyncio.run(leave_at_each())


def test_who_waits_while_the_pool_closes_can_leave_at_any_moment(server_url: str) -> None:
    async def leave(turns: int) -> bool:
        """Cancel one who waits, so many turns after the pool began to close; tell if it still waited."""
        pool = Pool(server_url, size=1)
        await pool.open()
        assert await pool.run(answer) == 42
        release, holding, waiting = await hold_and_wait(pool)
        closing = asyncio.create_task(pool.close())
        for _ in range(turns):
            await asyncio.sleep(0)
        waited = waiting.cancel()
        await asyncio.wait([waiting], timeout=10)
        assert waiting.cancelled() or not waited, f"it is refused, cancelled after {turns} turns"
        release.set()
        assert await holding == 0
        await closing
        if not waited:
            assert isinstance(waiting.exception(), DatabaseUnavailableError)
        return waited

    async def leave_at_each() -> None:
        assert {True, False} == {await leave(turns) for turns in range(20)}

    asyncio.run(leave_at_each())
