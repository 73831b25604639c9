"""The lake's files over fsspec: read, list, remove, and publish whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import time
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

from btcql.errors import LakeError

_TEMPORARY = ".tmp"
_STALE_SECONDS = 3600
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


class Files:
    """Files below `root`, named by paths relative to it; made on the first write.

    Reading, listing and removing go through fsspec. Publishing and locking are the operating
    system's, for fsspec promises neither a rename that is atomic nor bytes that outlive a power cut.
    """

    def __init__(self, root: str) -> None:
        if "://" in root:
            self._fs: Any
            self._fs, found = url_to_fs(root)
        else:
            # not by url_to_fs: it gives a meaning of its own to '::' and '~' in a path
            self._fs, found = LocalFileSystem(), str(Path(root).absolute())
        if not isinstance(self._fs, LocalFileSystem):
            raise LakeError(f"{root} is not a local folder: this version keeps its lake on local disks only")
        self.root = found

    def path(self, name: str) -> str:
        """Return the full path of a file or folder."""
        return f"{self.root}/{name}"

    def exists(self, name: str) -> bool:
        """Say whether there is such a file; LakeError where that may not be known."""
        try:
            return bool(self._fs.info(self.path(name))["type"] == "file")
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as error:  # not taken for absence: a month would silently go missing
            raise LakeError(f"{self.path(name)} cannot be read: {_said(error)}") from error

    def size(self, name: str) -> int | None:
        """Return the file's size in bytes, None when there is none."""
        return int(self._fs.size(self.path(name))) if self.exists(name) else None

    def read(self, name: str) -> bytes:
        """Return the file's bytes; LakeError when it is not there or cannot be read."""
        try:
            return bytes(self._fs.cat_file(self.path(name)))
        except FileNotFoundError as error:
            raise LakeError(
                f"{self.path(name)} is missing: restore it from a copy, or land its bars again"
            ) from error
        except OSError as error:
            raise LakeError(f"{self.path(name)} cannot be read: {_said(error)}") from error

    def chunks(self, name: str, size: int = 1 << 20) -> Iterator[bytes]:
        """Yield the file's bytes in pieces of `size`, for files of any length."""
        try:
            with self._fs.open(self.path(name), "rb") as file:
                while piece := file.read(size):
                    yield piece
        except OSError as error:
            raise LakeError(f"{self.path(name)} cannot be read: {_said(error)}") from error

    def names(self, folder: str) -> list[str]:
        """Return the names in a folder, sorted, without temporary files; empty when it is not there."""
        return [name for name in self._listed(folder) if not _is_temporary(name)]

    def tree(self, folder: str, depth: int) -> Iterator[str]:
        """Yield the paths that lie `depth` levels below a folder, sorted."""
        for name in self.names(folder):
            path = f"{folder}/{name}"
            yield from self.tree(path, depth - 1) if depth > 1 else [path]

    def _listed(self, folder: str) -> list[str]:
        try:
            found = self._fs.ls(self.path(folder), detail=False)
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise LakeError(f"{self.path(folder)} cannot be read: {_said(error)}") from error
        return sorted(PurePosixPath(path).name for path in found)

    def publish(self, name: str, pieces: Iterable[bytes]) -> None:
        """Write a file whole: it appears under its name only when all its bytes are on the disk.

        Raises LakeError, naming the path and the way out, and leaves no partial file behind.
        """
        target = Path(self.path(name))
        temporary = target.with_name(f".{target.name[:40]}.{uuid.uuid4().hex}{_TEMPORARY}")
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

    def remove(self, name: str) -> None:
        """Remove a file, durably; nothing happens when it is not there."""
        with self._writing(name), contextlib.suppress(FileNotFoundError):
            self._fs.rm_file(self.path(name))
            _sync_folder(Path(self.path(name)).parent)

    def remove_folder(self, folder: str) -> None:
        """Remove a folder if it is empty."""
        with contextlib.suppress(OSError):
            self._fs.rmdir(self.path(folder))

    def remove_temporary(self, folder: str, *, older_than: float = 0.0) -> int:
        """Remove a folder's temporary files of at least so many seconds; return how many.

        Without an age only for who holds the lock of all writers of this folder.
        """
        removed = 0
        for name in self._listed(folder):
            path = Path(self.path(f"{folder}/{name}"))
            if not _is_temporary(name):
                continue
            with self._writing(f"{folder}/{name}"), contextlib.suppress(FileNotFoundError):
                if time.time() - path.stat().st_mtime >= older_than:
                    path.unlink()
                    removed += 1
        return removed

    def sweep(self) -> int:
        """Remove what writers that died left behind (temporary files over an hour old); return how many."""
        folders = [folder.removeprefix(self.root).lstrip("/") for folder, _, _ in self._fs.walk(self.root)]
        return sum(self.remove_temporary(folder, older_than=_STALE_SECONDS) for folder in folders)

    @contextlib.contextmanager
    def locked(self, name: str) -> Iterator[None]:
        """Hold the lock `name` against every other process and thread; it ends with its process.

        The lock's file is never removed: a waiter would then hold one that others no longer see.
        """
        path = Path(self.path(f".lock/{name}"))
        with self._writing(f".lock/{name}"):
            self._make_folder(path.parent)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _make_folder(self, folder: Path) -> None:
        """Make a folder and those above it; each new name is made durable in its parent."""
        missing = [part for part in (folder, *folder.parents) if not part.exists()]
        for part in reversed(missing):
            part.mkdir(exist_ok=True)
            _sync_folder(part.parent)

    @contextlib.contextmanager
    def _writing(self, name: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            way_out = _WAYS_OUT.get(
                error.errno or 0, "see to it and run again; nothing half-written was left"
            )
            raise LakeError(f"{self.path(name)} cannot be written ({_said(error)}): {way_out}") from error


def _is_temporary(name: str) -> bool:
    return name.startswith(".") and name.endswith(_TEMPORARY)


def _said(error: OSError) -> str:
    return error.strerror or str(error)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
