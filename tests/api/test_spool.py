"""The files that are kept for who reads by ranges: bounded in bytes, in number and in age."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from graphql_api.export import spool as spools
from graphql_api.export.spool import Label, Spool, Spooled, SpoolError


def label(tag: str = '"1"') -> Label:
    return Label(tag, version=1, ends=10, closed_until=0, cost=5, headers=())


async def pieces(*found: bytes) -> AsyncIterator[bytes]:
    for piece in found:
        await asyncio.sleep(0)
        yield piece


async def write(spool: Spool, address: str, size: int) -> Spooled:
    return await spool.write(address, label(), pieces(b"x" * (size // 2), b"y" * (size - size // 2)))


def open_files() -> int:
    return psutil.Process().num_fds()


def test_the_longest_unread_goes_when_there_is_no_more_room(tmp_path: Path) -> None:
    async def scenario() -> None:
        spool = Spool(tmp_path, 100)
        first = await write(spool, "a", 40)
        assert await first.read(19, 3) == b"xyy"
        await write(spool, "b", 40)
        assert spool.find("a") is first
        await write(spool, "c", 60)
        assert [address for address in "abc" if spool.find(address)] == ["a", "c"]
        assert spool.size == 100
        with pytest.raises(SpoolError, match="101 bytes are more than the 100"):
            await write(spool, "d", 101)
        spool.close()
        assert spool.size == 0

    asyncio.run(scenario())


def test_a_file_that_is_being_read_keeps_its_room_until_it_is_read(tmp_path: Path) -> None:
    async def scenario() -> None:
        spool, before = Spool(tmp_path, 100), open_files()
        read = await write(spool, "a", 60)
        with read.reading():
            with pytest.raises(SpoolError, match="no room"):
                await write(spool, "b", 60)
            assert spool.find("a") is None
            assert await read.read(0, 2) == b"xx"
            assert spool.size == 60
        assert spool.size == 0
        again = await write(spool, "a", 60)
        newer = await write(spool, "a", 20)
        assert (spool.find("a"), spool.size) == (newer, 20), again
        spool.close()
        assert open_files() == before

    asyncio.run(scenario())


def test_a_file_that_nobody_reads_any_more_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spools, "_AGE_SECONDS", 0.05)

    async def scenario() -> None:
        spool = Spool(tmp_path, 100)
        await write(spool, "a", 60)
        async with asyncio.timeout(60):
            while spool.size:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.01)  # its own clock lets it go
        assert spool.find("a") is None
        spool.close()

    asyncio.run(scenario())


def test_no_more_files_are_open_than_a_server_of_many_connections_can_have(tmp_path: Path) -> None:
    async def scenario() -> None:
        spool, before = Spool(tmp_path, 10**6), open_files()
        for number in range(50):
            await write(spool, f"{number}", 2)
        assert open_files() - before <= 32
        assert spool.find("49")
        spool.close()

    asyncio.run(scenario())


def test_what_is_broken_off_leaves_nothing(tmp_path: Path) -> None:
    async def scenario() -> None:
        spool, before = Spool(tmp_path, 100), open_files()

        async def failing() -> AsyncIterator[bytes]:
            yield b"x" * 50
            raise ValueError("the database is gone")

        with pytest.raises(ValueError, match="gone"):
            await spool.write("a", label(), failing())
        assert (spool.size, spool.find("a"), open_files()) == (0, None, before)

    asyncio.run(scenario())
    assert list(tmp_path.iterdir()) == []
