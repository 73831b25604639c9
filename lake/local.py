"""The lake on a local disk: publishing by rename, with every step made durable, and locks."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import stat
import time
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path

from btcql.errors import LakeError
from lake.files import REPAIR, SHOWN, STALE_SECONDS, TEMPORARY, Files, Version, is_temporary

_PIECE = 1 << 20
_ABSENT = (FileNotFoundError, NotADirectoryError)
_WAYS_OUT = {
    errno.EACCES: "make it writable, or set BTCQL_LAKE to a folder that is",
    errno.EPERM: "make it writable, or set BTCQL_LAKE to a folder that is",
    errno.EROFS: "set BTCQL_LAKE to a folder on a writable disk",
    errno.ENOSPC: "free some space and run again; nothing half-written was left",
    errno.EDQUOT: "free some space and run again; nothing half-written was left",
    errno.EFBIG: "raise the limit on file sizes and run again; nothing half-written was left",
    errno.ENOTDIR: "a file stands where a folder must be: move it away",
    errno.EEXIST: "a file stands where a folder must be: move it away",
    errno.EISDIR: "a folder stands where a file must be: move it away",
}


class LocalFiles(Files):
    """Files below a folder of this machine.

    By the operating system itself, not by fsspec, which promises neither a rename that is atomic nor
    bytes that outlive a power cut, and gives a meaning of its own to '::' and '~' in a path.
    """

    def __init__(self, folder: Path) -> None:
        self.root = str(folder.absolute())

    def local(self, name: str) -> Path:
        """Return the file's path."""
        return Path(self.path(name))

    def size(self, name: str) -> int | None:
        """Return the file's size in bytes, None when there is none."""
        try:
            found = self.local(name).stat()
        except _ABSENT:
            return None
        except OSError as error:
            raise self._unreadable(name, error) from error
        return found.st_size if stat.S_ISREG(found.st_mode) else None

    def chunks(self, name: str) -> Iterator[bytes]:
        """Yield the file's bytes piece by piece."""
        try:
            with self.local(name).open("rb") as file:
                while piece := file.read(_PIECE):
                    yield piece
        except OSError as error:
            raise self._unreadable(name, error) from error

    def current(self, name: str) -> Version | None:
        """Return a document as it is now; its tag is its hash."""
        if not self.exists(name):
            return None
        content = self.read(name)
        return Version(content, hashlib.sha256(content).hexdigest())

    def names(self, folder: str) -> list[str]:
        """Return the names in a folder, sorted, without temporary files; empty when it is not there."""
        return [name for name in self._listed(folder) if not is_temporary(name)]

    def _listed(self, folder: str) -> list[str]:
        try:
            return sorted(path.name for path in self.local(folder).iterdir())
        except _ABSENT:
            return []
        except OSError as error:  # not taken for absence: a month would silently go missing
            raise self._unreadable(folder, error) from error

    def publish(self, name: str, pieces: Iterable[bytes]) -> None:
        """Write a file whole: it appears under its name only when all its bytes are on the disk."""
        target = self.local(name)
        temporary = target.with_name(f".{target.name[:SHOWN]}.{uuid.uuid4().hex}{TEMPORARY}")
        with self._writing(name):
            self._make_folder(target.parent)
            try:
                with temporary.open("xb") as file:
                    for piece in pieces:
                        file.write(piece)
                    file.flush()
                    os.fsync(file.fileno())
                temporary.replace(target)
            except BaseException:
                with contextlib.suppress(OSError):
                    temporary.unlink(missing_ok=True)
                raise
            _sync_folder(target.parent)

    def swap(self, name: str, content: bytes, seen: Version | None) -> bool:
        """Write a document if it is as it was seen; only inside `exclusive`, which keeps it so meanwhile."""
        now = self.current(name)
        if (now.tag if now else None) != (seen.tag if seen else None):
            return False
        self.publish(name, [content])
        return True

    def remove(self, name: str) -> None:
        """Remove a file, durably; nothing happens when it is not there."""
        path = self.local(name)
        with self._writing(name), contextlib.suppress(FileNotFoundError):
            path.unlink()
            _sync_folder(path.parent)

    def remove_folder(self, folder: str) -> None:
        """Remove a folder if nothing but what killed writers left is in it."""
        self._remove_temporary(folder, older_than=0.0)
        with contextlib.suppress(OSError):
            self.local(folder).rmdir()

    def sweep(self) -> int:
        """Remove temporary files over an hour old; return how many there were."""
        folders = [str(Path(folder).relative_to(self.root)) for folder, _, _ in os.walk(self.root)]
        return sum(self._remove_temporary(folder, older_than=STALE_SECONDS) for folder in folders)

    @contextlib.contextmanager
    def exclusive(self, name: str, folder: str = "") -> Iterator[None]:
        """Hold the lock `name` against every other process and thread; it ends with its process.

        The lock's file is never removed: a waiter would then hold one that others no longer see.
        """
        path = self.local(f".lock/{name}")
        with self._writing(f".lock/{name}"):
            self._make_folder(path.parent)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if folder:
                self._remove_temporary(folder, older_than=0.0)
            yield
        finally:
            os.close(descriptor)

    def _remove_temporary(self, folder: str, *, older_than: float) -> int:
        removed = 0
        for name in self._listed(folder):
            path = self.local(f"{folder}/{name}")
            if not is_temporary(name):
                continue
            with self._writing(f"{folder}/{name}"), contextlib.suppress(FileNotFoundError):
                if time.time() - path.stat().st_mtime >= older_than:
                    path.unlink()
                    removed += 1
        return removed

    def _make_folder(self, folder: Path) -> None:
        """Make a folder and those above it; each new name is made durable in its parent."""
        missing = [part for part in (folder, *folder.parents) if not part.exists()]
        for part in reversed(missing):
            part.mkdir(exist_ok=True)
            _sync_folder(part.parent)

    def _unreadable(self, name: str, error: OSError) -> LakeError:
        if isinstance(error, FileNotFoundError):
            return LakeError(f"{self.path(name)} is missing: {REPAIR}")
        return LakeError(f"{self.path(name)} cannot be read: {_said(error)}")

    @contextlib.contextmanager
    def _writing(self, name: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            way_out = _WAYS_OUT.get(
                error.errno or 0, "see to it and run again; nothing half-written was left"
            )
            raise LakeError(f"{self.path(name)} cannot be written ({_said(error)}): {way_out}") from error


def _said(error: OSError) -> str:
    return error.strerror or str(error)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
