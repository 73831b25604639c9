"""Files kept on disk for those who read by pieces: they ask for the length first, then for range after range.

The files have no names, so they end with the process, however that ends. Of each address the newest is kept,
until nobody has read it for a while, or it has to make room for another.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import IO

from btcql.errors import BtcqlError

_AGE_SECONDS = 600.0  # since it was read last
_MOST_FILES = 32  # open at a time: beside many connections a process has not many more
_READINGS = 10  # of a file's bytes, for what the export costs once: readers look twice, or more often
_MOST_READERS = 1_000  # of a file, whose bytes are counted


class SpoolError(BtcqlError):
    """A file that cannot be kept: too large, or the folder cannot take it."""


@dataclass(frozen=True)
class Label:
    """What is known of a file: its tag, the data's version, until when it is the newest of that version.

    ends: epoch microseconds; closed_until: as in a Lifetime; cost: of the export; headers: that it is sent
    with, whoever asks.
    """

    tag: str
    version: int
    ends: int
    closed_until: int
    cost: int
    headers: tuple[tuple[str, str], ...]


class Spooled:
    """A file that is whole; `release` is called when it is closed."""

    def __init__(self, file: IO[bytes], label: Label, size: int, release: Callable[[int], None]) -> None:
        self.label, self.size, self.made_at = label, size, monotonic()
        self._file, self._release = file, release
        self._readers, self._dropped = 0, False
        self._left: OrderedDict[str, int] = OrderedDict()

    async def read(self, start: int, length: int) -> bytes:
        """Return so many bytes from `start` on; inside of `reading`, if others may be writing."""
        return await asyncio.to_thread(os.pread, self._file.fileno(), length, start)

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Keep the file open in the block, even if it is to go; raises SpoolError if it is gone."""
        if self._file.closed:
            raise SpoolError("an export cannot be kept: it had to make room at once")
        self._readers += 1
        try:
            yield
        finally:
            self._readers -= 1
            self._close_unread()

    def drop(self) -> None:
        """Close the file as soon as nobody reads it."""
        self._dropped = True
        self._close_unread()

    def pay(self, bucket: str) -> None:
        """Take in that a client has paid for the file."""
        self._left[bucket] = _READINGS * self.size
        if len(self._left) > _MOST_READERS:
            self._left.popitem(last=False)

    def take(self, bucket: str, length: int) -> bool:
        """Take `length` bytes of what a client has paid for; False: so many are not left."""
        left = self._left.get(bucket, -1) - length
        if left < 0:
            return False
        self._left[bucket] = left
        return True

    def _close_unread(self) -> None:
        if self._dropped and not self._readers and not self._file.closed:
            self._file.close()
            self._release(self.size)


class Spool:
    """The files, by address: at most `capacity` bytes (0: none), in a folder that is made when needed."""

    def __init__(self, folder: Path, capacity: int) -> None:
        self._folder, self.capacity = folder, capacity
        self.size = 0
        self._files: OrderedDict[str, tuple[Spooled, float]] = OrderedDict()  # each with when it was used
        self._timer: asyncio.TimerHandle | None = None

    def find(self, address: str) -> Spooled | None:
        """Return the newest file of an address, of whichever version it is."""
        found = self._files.get(address)
        if found is None:
            return None
        self._files[address] = found[0], monotonic()
        self._files.move_to_end(address)
        return found[0]

    async def write(self, address: str, label: Label, pieces: AsyncIterator[bytes]) -> Spooled:
        """Write a file, and keep it as the newest of its address.

        Raises SpoolError where it cannot be kept, and what `pieces` raises.
        """
        with self._troubled():
            file = await asyncio.to_thread(self._create)
        written = 0
        try:
            async for piece in pieces:
                self._make_room(len(piece), written + len(piece))
                self.size += len(piece)
                written += len(piece)
                with self._troubled():
                    await asyncio.to_thread(file.write, piece)
        except BaseException:
            file.close()
            self.size -= written
            raise
        made = Spooled(file, label, written, self._release)
        self._drop(address)
        self._files[address] = made, monotonic()
        while len(self._files) > _MOST_FILES:
            self._drop(next(iter(self._files)))
        if self._timer is None:
            self._wait(_AGE_SECONDS)
        return made

    def close(self) -> None:
        """Let all files go."""
        for address in list(self._files):
            self._drop(address)
        if self._timer is not None:
            self._timer.cancel()

    def _create(self) -> IO[bytes]:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return tempfile.TemporaryFile(dir=self._folder, buffering=0)

    @contextmanager
    def _troubled(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise SpoolError(f"an export cannot be kept in {self._folder}: {error.strerror}") from error

    def _make_room(self, length: int, whole: int) -> None:
        """Let go the files that were not used for longest, until `length` bytes more can be kept."""
        if whole > self.capacity:
            raise SpoolError(
                f"an export cannot be kept: its {whole} bytes are more than the {self.capacity} "
                "of BTCQL_EXPORT_SPOOL_BYTES"
            )
        while self.size + length > self.capacity and self._files:
            self._drop(next(iter(self._files)))
        if self.size + length > self.capacity:
            raise SpoolError("an export cannot be kept: there is no room beside those that are under way")

    def _drop(self, address: str) -> None:
        found = self._files.pop(address, None)
        if found is not None:
            found[0].drop()

    def _release(self, size: int) -> None:
        self.size -= size

    def _wait(self, seconds: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(seconds, self._sweep)

    def _sweep(self) -> None:
        """Let go the files of a certain age, and come back for the others."""
        self._timer, now = None, monotonic()
        while self._files:
            address, (_, used_at) = next(iter(self._files.items()))
            if used_at + _AGE_SECONDS > now:
                self._wait(used_at + _AGE_SECONDS - now)
                return
            self._drop(address)
