"""What a session asks without a cursor: as exact, cancelled with whoever asks, no session lost."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any, LiteralString

import psycopg
import pytest
import uvloop
from psycopg import errors

from btcql.errors import DatabaseUnavailableError, QueryError
from database.columns import fetch_row
from database.pool import Connection, Pool

pytestmark = pytest.mark.parametrize("edition", ["plain"], indirect=True, scope="session")

_SLEEP: LiteralString = "SELECT 1::bigint FROM pg_sleep(%(seconds)s)"
_OPEN: LiteralString = """
SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT 1::bigint FROM pg_sleep%' AND state = 'active'
"""


def with_pool(url: str, ask: Callable[[Pool], Awaitable[None]], **options: Any) -> None:
    async def run() -> None:
        pool = Pool(url, **options)
        await pool.open()
        try:
            await ask(pool)
        finally:
            await pool.close()

    asyncio.run(run())


async def value(connection: Connection, query: LiteralString, parameters: Mapping[str, Any]) -> bytes | None:
    result = await connection.prepared.execute(query, parameters)
    return result.get_value(0, 0)


async def backend(connection: Connection) -> int:
    return connection.info.backend_pid


async def seat(connection: Connection) -> tuple[int, int]:
    return connection.info.backend_pid, connection.fileno()


def count_sleeping(url: str) -> int:
    with psycopg.connect(url) as connection:
        (count,) = connection.execute(_OPEN).fetchone() or (-1,)
        return int(count)


async def until_sleeping(url: str, expected: int) -> None:
    end = time.monotonic() + 10
    while await asyncio.to_thread(count_sleeping, url) != expected:
        assert time.monotonic() < end
        await asyncio.sleep(0.02)


def test_placeholders_are_psycopg_s(server_url: str) -> None:
    async def ask(pool: Pool) -> None:
        query: LiteralString = "SELECT %(b)s::text || '%%' || %(a)s::text || %(b)s::text || (7 %% 4)"
        assert await pool.run(value, query, {"a": "x", "b": "y", "unused": 1}) == b"y%xy3"
        # None is of no type: the same text with it is another statement
        for given, expected in (("y", b"y"), (None, None), ("z", b"z"), (None, None)):
            assert await pool.run(value, "SELECT %(b)s::text", {"b": given}) == expected
        with pytest.raises(KeyError, match="a"):
            await pool.run(value, query, {"b": "y"})

    with_pool(server_url, ask, size=1)


def test_a_row_is_of_numbers(server_url: str) -> None:
    row: LiteralString = (
        "SELECT %(at)s::timestamptz, 0.1::float8, (-3)::bigint FROM generate_series(1, %(n)s)"
    )

    async def ask(pool: Pool) -> None:
        at = datetime(1999, 12, 31, 23, 59, 59, 1, tzinfo=UTC)
        assert await pool.run(fetch_row, row, {"at": at, "n": 2}) == (946_684_799_000_001, 0.1, -3)
        assert await pool.run(fetch_row, row, {"at": at, "n": 0}) is None
        for other in ("SELECT 1.5::numeric", "SELECT NULL::float8"):
            with pytest.raises(ValueError, match="is not read as a number"):
                await pool.run(fetch_row, other, {})

    with_pool(server_url, ask)


def test_a_session_keeps_a_bounded_number_of_statements(server_url: str) -> None:
    queries: list[LiteralString] = ["SELECT %(n)s::int::text -- 1" + " " * spaces for spaces in range(300)]

    async def ask(pool: Pool) -> None:
        for _ in range(2):
            for query in queries:
                assert await pool.run(value, query, {"n": 5}) == b"5"
        kept = await pool.run(value, "SELECT count(*)::text FROM pg_prepared_statements", {})
        assert kept is not None
        assert 100 <= int(kept) <= 128

    with_pool(server_url, ask, size=1)


def test_an_error_is_its_query_s_alone(server_url: str) -> None:
    async def ask(pool: Pool) -> None:
        for _ in range(2):
            with pytest.raises(errors.DivisionByZero):
                await pool.run(value, "SELECT 1 / %(n)s::int", {"n": 0})
            with pytest.raises(errors.UndefinedColumn, match="missing"):
                await pool.run(value, "SELECT missing", {})
            assert await pool.run(value, "SELECT (4 / %(n)s::int)::text", {"n": 2}) == b"2"
        with pytest.raises(QueryError, match=r"more than 0\.2 s"):
            await pool.run(value, _SLEEP, {"seconds": 60})

    with_pool(server_url, ask, size=1, statement_seconds=0.2)


@pytest.mark.parametrize("length", [1, 1 << 16, 1 << 24])
def test_long_values_go_and_come(server_url: str, length: int) -> None:
    async def ask(pool: Pool) -> None:
        text = "x" * length
        assert await pool.run(value, "SELECT %(text)s::text || 'y'", {"text": text}) == f"{text}y".encode()

    with_pool(server_url, ask)


def test_a_query_is_cancelled_with_its_task(server_url: str) -> None:
    async def ask(pool: Pool) -> None:
        pid = await pool.run(backend)
        for _ in range(3):
            asking = asyncio.create_task(pool.run(value, _SLEEP, {"seconds": 60}))
            await until_sleeping(server_url, 1)
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
            assert count_sleeping(server_url) == 0
            assert await pool.run(value, "SELECT 'next'", {}) == b"next"
        assert await pool.run(backend) == pid

    with_pool(server_url, ask, size=1)


def test_a_session_that_cannot_cancel_is_replaced(server_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("database.prepared._CANCEL_SECONDS", 0.3)

    async def ask(pool: Pool) -> None:
        pid = await pool.run(backend)
        asking = asyncio.create_task(pool.run(value, _SLEEP, {"seconds": 60}))
        await until_sleeping(server_url, 1)
        os.kill(pid, signal.SIGSTOP)  # it hears of nothing any more
        try:
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
            assert await pool.run(value, "SELECT 'next'", {}) == b"next"
            assert await pool.run(backend) != pid
        finally:
            os.kill(pid, signal.SIGCONT)
        await until_sleeping(server_url, 0)

    with_pool(server_url, ask, size=1)


def test_a_session_that_ends_in_the_middle_is_asked_again(server_url: str) -> None:
    async def ask(pool: Pool) -> None:
        pid = await pool.run(backend)
        asking = asyncio.create_task(pool.run(value, _SLEEP, {"seconds": 1}))
        await until_sleeping(server_url, 1)
        with psycopg.connect(server_url) as connection:
            connection.execute("SELECT pg_terminate_backend(%s)", [pid])
        assert await asking == (1).to_bytes(8, "big")
        assert await pool.run(backend) != pid

    with_pool(server_url, ask, size=1)


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def test_the_loop_itself_watches_no_session_s_socket(server_url: str, run: Callable[..., None]) -> None:
    async def ask() -> None:
        loop, pool = asyncio.get_running_loop(), Pool(server_url, size=1)
        await pool.open()
        try:
            async with pool.snapshot() as snapshot:  # which asks nobody again
                assert await snapshot.run(value, "SELECT 'read'", {}) == b"read"
                pid, socket = await snapshot.run(seat)
                assert not loop.remove_reader(socket)
                asking = asyncio.create_task(snapshot.run(value, _SLEEP, {"seconds": 60}))
                await until_sleeping(server_url, 1)
                with psycopg.connect(server_url) as connection:
                    connection.execute("SELECT pg_terminate_backend(%s)", [pid])
                with pytest.raises(DatabaseUnavailableError):
                    await asking
                assert not loop.remove_reader(socket)  # it is closed, and its number may be another's soon
            assert await pool.run(value, "SELECT 'next'", {}) == b"next"
        finally:
            await pool.close()

    run(ask())


def test_readers_of_a_snapshot_end_with_it(server_url: str, caplog: pytest.LogCaptureFixture) -> None:
    async def ask(pool: Pool) -> None:
        pid = await pool.run(backend)

        async def read() -> None:
            async with pool.snapshot() as snapshot:
                await asyncio.gather(*(snapshot.run(value, _SLEEP, {"seconds": 60}) for _ in range(2)))

        for _ in range(3):
            reading = asyncio.create_task(read())
            await until_sleeping(server_url, 1)
            reading.cancel()
            with pytest.raises(asyncio.CancelledError):
                await reading
            assert count_sleeping(server_url) == 0
            assert await pool.run(backend) == pid

    with_pool(server_url, ask, size=1)
    assert not [record for record in caplog.records if record.levelname == "WARNING"]


def test_what_was_prepared_is_gone_with_the_session(server_url: str) -> None:
    async def ask(pool: Pool) -> None:
        query: LiteralString = "SELECT pg_backend_pid()::text"
        seen = set()
        for _ in range(3):
            pid = await pool.run(value, query, {})
            assert pid is not None
            seen.add(pid)
            with psycopg.connect(server_url) as connection:
                connection.execute("SELECT pg_terminate_backend(%s)", [int(pid)])
        assert len(seen) == 3

    with_pool(server_url, ask, size=1)


def test_no_database_is_said(server_url: str) -> None:
    async def ask(pool: Pool) -> None:
        with pytest.raises(DatabaseUnavailableError, match="not ready"):
            await pool.run(value, "SELECT * FROM no_such_table", {})

    with_pool(server_url, ask)


def test_what_is_prepared_survives_snapshots_and_rollbacks(server_url: str) -> None:
    async def begin(connection: Connection) -> None:
        await connection.execute("BEGIN")

    async def ask(pool: Pool) -> None:
        for number in (b"1", b"2", b"3"):
            for _ in range(6):  # psycopg prepares its own after some, and drops all with them
                await pool.run(by_cursor)
            parameters = {"n": number.decode()}
            assert await pool.run(value, "SELECT %(n)s::text", parameters) == number
            async with pool.snapshot() as snapshot:
                assert await snapshot.run(value, "SELECT %(n)s::text", parameters) == number
                with pytest.raises(errors.DivisionByZero):
                    await snapshot.run(value, "SELECT 1 / 0", {})
            assert await pool.run(value, "SELECT %(n)s::text", parameters) == number
            await pool.run(begin)  # which the pool rolls back
            assert await pool.run(value, "SELECT %(n)s::text", parameters) == number

    with_pool(server_url, ask, size=1)


async def by_cursor(connection: Connection) -> None:
    await connection.execute("SELECT 'by cursor'")
