"""HDFS by Hadoop's own library, through pyarrow and fsspec: hdfs://.

pyarrow's rename takes the place of a file that is there, and nothing else of it creates exclusively. So this
one looks first, and two writers of one month within the same few milliseconds are not told apart: runs on one
database take turns anyway; where others write too, use webhdfs://, which asks HDFS itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import urlsplit

from lake.hdfs import Entry

_PIECE = 1 << 20


class Hadoop:
    """A filesystem of fsspec over pyarrow's. Paths are absolute; every failure is an OSError."""

    def __init__(self, files: Any) -> None:
        self._files = files

    @classmethod
    def at(cls, address: str) -> Hadoop:
        """Connect to hdfs://[user@]host[:port]; without a host to the one of Hadoop's configuration."""
        import fsspec  # noqa: PLC0415 - slow to import

        place = urlsplit(address)
        return cls(
            fsspec.filesystem(
                "hdfs",
                host=place.hostname or "default",
                port=place.port or 0,
                user=place.username,
                skip_instance_cache=True,
            )
        )

    def status(self, path: str) -> Entry | None:
        """Return what is there, None when nothing is."""
        try:
            return _entry(self._files.info(path))
        except FileNotFoundError:
            return None

    def entries(self, path: str) -> list[Entry]:
        """Return what is in a folder; empty when it is not there or is a file."""
        try:
            found = self._files.ls(path, detail=True)
        except FileNotFoundError:
            return []
        return [_entry(info) for info in found if info["name"].rstrip("/") != path.rstrip("/")]

    def chunks(self, path: str) -> Iterator[bytes]:
        """Yield a file's bytes piece by piece."""
        with self._files.open(path, "rb") as file:
            while piece := file.read(_PIECE):
                yield bytes(piece)

    def create(self, path: str, pieces: Iterable[bytes]) -> None:
        """Write a file, with the folders above it."""
        self._files.makedirs(path.rpartition("/")[0], exist_ok=True)
        with self._files.open(path, "wb") as file:
            for piece in pieces:
                file.write(piece)

    def rename(self, old: str, new: str) -> bool:
        """Rename a file, with the folders above its new name; return whether, False where there is one."""
        self._files.makedirs(new.rpartition("/")[0], exist_ok=True)
        if self._files.exists(new):
            return False
        self._files.mv(old, new)
        return True

    def delete(self, path: str) -> None:
        """Remove a file or an empty folder; nothing happens when it is not there."""
        entry = self.status(path)
        if entry and entry.is_file:
            self._files.rm_file(path)
        elif entry and not self.entries(path):
            self._files.rmdir(path)


def _entry(info: dict[str, Any]) -> Entry:
    return Entry(
        name=info["name"].rstrip("/").rpartition("/")[2],
        is_file=info["type"] == "file",
        size=info["size"] or 0,
        changed_at=info["mtime"].timestamp(),
    )
