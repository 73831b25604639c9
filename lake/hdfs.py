"""The lake on HDFS: files are written aside and renamed, and a rename never takes another file's place.

That one promise of HDFS, a rename that fails where there is a file already, decides between writers. Bars
have names that tell their content. Each version of the manifest has a name of its own, such as
manifest.00000007.json, and the newest is the one in force: of two writers that read version 7 one gets to
write version 8, and the other reads again. No lock, whose holder may be paused for longer than it holds; no
clock. Old versions stay, as the bars that they list do. A lake that was copied here with its manifest.json
is taken as it is.
"""

from __future__ import annotations

import hashlib
import re
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

from btcql.errors import LakeError
from lake.files import REPAIR, STALE_SECONDS, Files, Version
from lake.path import MANIFEST

_ASIDE = ".tmp"
_VERSION = re.compile(r"manifest\.(\d{8,})\.json")


@dataclass(frozen=True, slots=True)
class Entry:
    """A file or a folder; `changed_at` in seconds since the epoch, by the server's clock."""

    name: str
    is_file: bool
    size: int
    changed_at: float


class Hdfs(Protocol):
    """What is asked of HDFS, of whole paths; each method raises OSError for what was not done."""

    def status(self, path: str) -> Entry | None:
        """Return what is there, None when nothing is."""

    def entries(self, path: str) -> list[Entry]:
        """Return what is in a folder; empty when it is not there or is a file."""

    def chunks(self, path: str) -> Iterator[bytes]:
        """Yield a file's bytes piece by piece."""

    def create(self, path: str, pieces: Iterable[bytes]) -> None:
        """Write a file, with the folders above it."""

    def rename(self, old: str, new: str) -> bool:
        """Rename a file, with the folders above its new name; return whether, False where there is one."""

    def delete(self, path: str) -> None:
        """Remove a file or an empty folder; nothing happens when it is not there."""


def hdfs_files(address: str) -> HdfsFiles:
    """Return the files at hdfs:// (by pyarrow and Hadoop's own library) or webhdfs:// (by HTTP alone)."""
    place = urlsplit(address)
    if not place.path.strip("/"):
        raise LakeError(f"{place.scheme}://{place.hostname or ''} names no folder: give one below it")
    host = f"{place.hostname or ''}{f':{place.port}' if place.port else ''}"
    root = f"{place.scheme}://{host}{place.path.rstrip('/')}"
    try:
        if place.scheme == "webhdfs":
            from lake.webhdfs import WebHdfs  # noqa: PLC0415 - for those who have such a lake

            return HdfsFiles(root, place.path, WebHdfs.at(address))
        from lake.hadoop import Hadoop  # noqa: PLC0415 - as above

        return HdfsFiles(root, place.path, Hadoop.at(address))
    except (ImportError, OSError) as error:
        reason = str(error).partition("\n")[0]  # libhdfs names sixty places where Java is not
        raise LakeError(
            f"{root} cannot be reached ({reason}): hdfs:// needs Java and Hadoop's libhdfs (JAVA_HOME, "
            "HADOOP_HOME, CLASSPATH), webhdfs:// only the name node's HTTP port"
        ) from error


class HdfsFiles(Files):
    """Files below a folder of HDFS, however it is asked."""

    readers = 8

    def __init__(self, root: str, folder: str, hdfs: Hdfs) -> None:
        self.root = root
        self._folder = folder.rstrip("/")
        self._hdfs = hdfs

    def size(self, name: str) -> int | None:
        """Return the file's size in bytes, None when there is none."""
        with self._speaking(name):
            found = self._newest(name)[1] if _is_manifest(name) else self._hdfs.status(self._at(name))
        return found.size if found and found.is_file else None

    def chunks(self, name: str) -> Iterator[bytes]:
        """Yield the file's bytes piece by piece."""
        with self._speaking(name):
            if _is_manifest(name):
                entry = self._newest(name)[1]
                path = self._at(f"{name.rpartition('/')[0]}/{entry.name if entry else MANIFEST}")
            else:
                path = self._at(name)
            yield from self._hdfs.chunks(path)

    def current(self, name: str) -> Version | None:
        """Return a document as it is now; its tag is the manifest's number, 0 for what has none."""
        with self._speaking(name):
            if not _is_manifest(name):
                there = self._hdfs.status(self._at(name))
                return Version(b"".join(self._hdfs.chunks(self._at(name))), "0") if there else None
            number, entry = self._newest(name)
            if entry is None:
                return None
            path = self._at(f"{name.rpartition('/')[0]}/{entry.name}")
            return Version(b"".join(self._hdfs.chunks(path)), str(number))

    def names(self, folder: str) -> list[str]:
        """Return the names in a folder, sorted, a manifest's versions as one; empty when it is not there."""
        with self._speaking(folder):
            entries = self._hdfs.entries(self._at(folder))
        return sorted({MANIFEST if _VERSION.fullmatch(entry.name) else entry.name for entry in entries})

    def documents(self, *levels: str | None) -> list[tuple[str, bytes]]:
        """Return the documents whose paths match, with one listing and one reading for each."""
        names = self.find(*levels) if levels[-1] is None else list(self._paths("", levels))
        found = zip(names, self._each(self.current, names), strict=True)
        return [(name, version.content) for name, version in found if version]

    def publish(self, name: str, pieces: Iterable[bytes]) -> None:
        """Write a file aside and rename it; one of its name that differs makes way."""
        target = self._at(name)
        with self._writing(name, pieces) as (aside, digest):
            if self._hdfs.rename(aside, target):
                return
            if self._digest(target) != digest:
                self._hdfs.delete(target)
                if not self._hdfs.rename(aside, target) and self._digest(target) != digest:
                    raise LakeError(
                        f"{self.path(name)} is there with other bytes: end its other writers, then run again"
                    )

    def swap(self, name: str, content: bytes, seen: Version | None) -> bool:
        """Write the manifest's next version, unless another writer has it."""
        number = int(seen.tag) + 1 if seen else 1
        with self._writing(name, [content]) as (aside, _):
            return self._hdfs.rename(aside, self._at(f"{name.rpartition('/')[0]}/manifest.{number:08d}.json"))

    def remove(self, name: str) -> None:
        """Remove a file; of a manifest all versions, the one in force last."""
        with self._speaking(name):
            if not _is_manifest(name):
                self._hdfs.delete(self._at(name))
                return
            folder = name.rpartition("/")[0]
            for _, entry in sorted(self._versions(folder), key=lambda version: version[0]):
                self._hdfs.delete(self._at(f"{folder}/{entry.name}"))

    def remove_folder(self, folder: str) -> None:
        """Remove a folder if it is empty."""
        with self._speaking(folder):
            if not self._hdfs.entries(self._at(folder)):
                self._hdfs.delete(self._at(folder))

    def sweep(self) -> int:
        """Remove what writers left aside over an hour ago; return how many files."""
        with self._speaking(_ASIDE):
            entries = self._hdfs.entries(self._at(_ASIDE))
            stale = [entry for entry in entries if entry.changed_at < time.time() - STALE_SECONDS]
            for entry in stale:
                self._hdfs.delete(self._at(f"{_ASIDE}/{entry.name}"))
        return len(stale)

    def _at(self, name: str) -> str:
        return f"{self._folder}/{name}" if name else self._folder

    def _newest(self, name: str) -> tuple[int, Entry | None]:
        versions = self._versions(name.rpartition("/")[0])
        return max(versions, key=lambda version: version[0], default=(0, None))

    def _versions(self, folder: str) -> list[tuple[int, Entry]]:
        found = []
        for entry in self._hdfs.entries(self._at(folder)):
            numbered = _VERSION.fullmatch(entry.name)
            if numbered or entry.name == MANIFEST:
                found.append((int(numbered[1]) if numbered else 0, entry))
        return found

    def _digest(self, path: str) -> str:
        digest = hashlib.sha256()
        for piece in self._hdfs.chunks(path):
            digest.update(piece)
        return digest.hexdigest()

    @contextmanager
    def _writing(self, name: str, pieces: Iterable[bytes]) -> Iterator[tuple[str, str]]:
        """Write aside; yield that path and the SHA-256 of what was written; what was not renamed goes."""
        aside, digest = self._at(f"{_ASIDE}/{uuid.uuid4().hex}"), hashlib.sha256()

        def hashed() -> Iterator[bytes]:
            for piece in pieces:
                digest.update(piece)
                yield piece

        with self._speaking(name):
            try:
                self._hdfs.create(aside, hashed())
                yield aside, digest.hexdigest()
            finally:
                with suppress(OSError):  # else the sweep removes it; what stopped the writing is said
                    self._hdfs.delete(aside)

    @contextmanager
    def _speaking(self, name: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as error:
            raise LakeError(f"{self.path(name)} is missing: {REPAIR}") from error
        except PermissionError as error:
            raise LakeError(
                f"{self.path(name)} is refused ({error}): give its user the right, or name another one, "
                "as webhdfs://user@host:port/folder"
            ) from error
        except OSError as error:
            raise LakeError(
                f"{self.path(name)}: {error}: see that HDFS is up and has space, then run it again; "
                "nothing half-published was left"
            ) from error


def _is_manifest(name: str) -> bool:
    return name.endswith(f"/{MANIFEST}")
