"""How answers are waited for: a lost session is heard of, and nothing keeps the loop from its rest."""

from __future__ import annotations

import asyncio
import errno
import select
import socket
import struct
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, LiteralString

import psycopg
import pytest
import uvloop
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from database.pool import Connection, Pool
from database.watch import Watch

pytestmark = [
    pytest.mark.parametrize("edition", ["plain"], indirect=True, scope="session"),
    pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"]),
]

Run = Callable[[Any], None]
_TEXT: LiteralString = "SELECT %(text)s::text"


async def text(connection: Connection, value: str) -> bytes | None:
    result = await connection.prepared.execute(_TEXT, {"text": value})
    return result.get_value(0, 0)


async def seat(connection: Connection) -> tuple[int, int]:
    return connection.info.backend_pid, connection.fileno()


def terminate(url: str, pid: int) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])


def with_pool(run: Run, url: str, ask: Callable[[Pool], Awaitable[None]], **options: Any) -> None:
    async def asked() -> None:
        pool = Pool(url, **options)
        await pool.open()
        try:
            await asyncio.wait_for(ask(pool), 30)
        finally:
            await pool.close()

    run(asked())


class Line:
    """A line to the server by TCP, whose next answer can be cut: some bytes come, then a reset."""

    def __init__(self, server: str) -> None:
        self._server = server
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.kept: int | None = None
        self.resets = 0

    def serve(self, threads: ThreadPoolExecutor) -> None:
        """Pass on what each client and the server say, until the listener is closed."""
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threads.submit(self._pass_on, client)

    def close(self) -> None:
        # who waits to accept would not be woken by closing it
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _pass_on(self, client: socket.socket) -> None:
        with client, socket.socket(socket.AF_UNIX) as server:
            server.connect(self._server)
            while True:
                for ready in select.select([client, server], [], [])[0]:
                    data = ready.recv(1 << 16)
                    if not data:
                        return
                    if ready is server and self.kept is not None:
                        client.sendall(data[: self.kept])
                        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                        self.kept, self.resets = None, self.resets + 1
                        return
                    (server if ready is client else client).sendall(data)


@contextmanager
def line(url: str) -> Iterator[tuple[Line, str]]:
    parts = conninfo_to_dict(url)
    made = Line(f"{parts['host']}/.s.PGSQL.{parts.get('port', 5432)}")
    with ThreadPoolExecutor() as threads:
        threads.submit(made.serve, threads)
        try:
            yield (
                made,
                make_conninfo(url, host="127.0.0.1", port=made.port, sslmode="disable", gssencmode="disable"),
            )
        finally:
            made.close()


@pytest.mark.parametrize("kept", [0, 10])
def test_a_reset_is_heard_of(server_url: str, run: Run, kept: int) -> None:
    async def ask() -> None:
        with line(server_url) as (cut, url):
            pool = Pool(url, size=1)
            await pool.open()
            try:
                for attempt in range(5):
                    assert await asyncio.wait_for(pool.run(text, "before"), 10) == b"before"
                    cut.kept = kept
                    assert await asyncio.wait_for(pool.run(text, "asked again"), 10) == b"asked again"
                    assert cut.resets == attempt + 1
            finally:
                await pool.close()

    run(ask())


def test_a_lost_session_s_number_is_another_s(server_url: str, run: Run) -> None:
    async def ask(pool: Pool) -> None:
        numbers = []
        for _ in range(5):
            assert await pool.run(text, "x") == b"x"
            pid, number = await pool.run(seat)
            numbers.append(number)
            await asyncio.to_thread(terminate, server_url, pid)
        assert await pool.run(text, "y") == b"y"
        assert len({*numbers}) < len(numbers)

    with_pool(run, server_url, ask, size=1)


def test_reads_go_on_between_those_of_cursors(server_url: str, run: Run) -> None:
    async def mixed(connection: Connection, value: str) -> None:
        for number in range(20):
            assert await text(connection, f"{value}{number}") == f"{value}{number}".encode()
            cursor = await connection.execute("SELECT generate_series(1, 2000)")
            assert len(await cursor.fetchall()) == 2000

    async def ask(pool: Pool) -> None:
        await asyncio.gather(*(pool.run(mixed, value) for value in "abcdef"))

    with_pool(run, server_url, ask, size=3)


def test_what_a_server_says_unasked_does_not_keep_the_loop_busy(server_url: str, run: Run) -> None:
    async def listen(connection: Connection) -> int:
        await connection.execute("LISTEN unasked")
        assert await text(connection, "x") == b"x"
        return connection.info.backend_pid

    async def seconds_at_rest() -> float:
        await asyncio.sleep(0.1)
        before = time.process_time()
        await asyncio.sleep(1)
        return time.process_time() - before

    async def ask(pool: Pool) -> None:
        pid = await pool.run(listen)
        with psycopg.connect(server_url, autocommit=True) as connection:
            connection.execute("NOTIFY unasked, 'something'")
        assert await seconds_at_rest() < 0.5
        assert await pool.run(text, "y") == b"y"
        await asyncio.to_thread(terminate, server_url, pid)
        assert await seconds_at_rest() < 0.5
        assert await pool.run(text, "z") == b"z"

    with_pool(run, server_url, ask, size=1)


def test_a_loop_that_could_not_watch_is_asked_again(
    server_url: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def ask() -> None:
        loop, watch = asyncio.get_running_loop(), Watch()

        class Full:
            """A loop with no room left, once."""

            def __getattr__(self, name: str) -> Any:
                return getattr(loop, name)

            def add_reader(self, *_: Any) -> None:
                raise OSError(errno.ENOSPC, "no space left on device")

        for full in (True, False):
            connection = await Connection.connect(server_url, autocommit=True)
            connection.watch = watch
            with monkeypatch.context() as patched:
                if full:
                    patched.setattr(asyncio, "get_running_loop", Full)
                    with pytest.raises(OSError, match="no space left"):
                        await text(connection, "x")
                else:
                    assert await asyncio.wait_for(text(connection, "y"), 10) == b"y"
            await connection.close()

    run(ask())
