"""What the lake asks of the place that keeps its files, whichever kind of place that is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

TEMPORARY = ".tmp"
STALE_SECONDS = 3600
REPAIR = "btcql lake repair remakes it from what the lake has, or says what must come again"
SHOWN = 40  # of a file's name in its temporary one: names have a limit


@dataclass(frozen=True, slots=True)
class Version:
    """A document as it was read, and the tag by which its place tells it from a later one."""

    content: bytes
    tag: str


class Files(ABC):
    """Files below `root`, named by paths relative to it; made on the first write.

    `root` may be shown: it holds no password. Two ways to write, both whole or not at all: `publish`, for
    files whose names tell their content, and `swap`, for the one document per folder that changes. A swap
    fails where the document is no longer the one that was read, so no writer loses another's change.
    Every method raises LakeError, naming the file and the way out, for what cannot be read or written.
    """

    root: str
    readers = 1  # how many files are worth reading at once

    def path(self, name: str) -> str:
        """Return the full address of a file or folder."""
        return f"{self.root}/{name}"

    def local(self, name: str) -> Path | None:  # noqa: ARG002 - for those that have one
        """Return where a program can open the file by itself, None where it cannot."""
        return None

    @abstractmethod
    def size(self, name: str) -> int | None:
        """Return the file's size in bytes, None when there is none; LakeError where that may not be known."""

    def exists(self, name: str) -> bool:
        """Say whether there is such a file; LakeError where that may not be known."""
        return self.size(name) is not None

    @abstractmethod
    def chunks(self, name: str) -> Iterator[bytes]:
        """Yield the file's bytes piece by piece, for files of any length; LakeError when it is not there."""

    @abstractmethod
    def current(self, name: str) -> Version | None:
        """Return a document as it is now, None when there is none."""

    @abstractmethod
    def names(self, folder: str) -> list[str]:
        """Return the names in a folder, sorted, without temporary files; empty when it is not there."""

    @abstractmethod
    def publish(self, name: str, pieces: Iterable[bytes]) -> None:
        """Write a file whole: it appears under its name only when all its bytes are kept.

        What stands there already is replaced if its bytes differ.
        """

    @abstractmethod
    def swap(self, name: str, content: bytes, seen: Version | None) -> bool:
        """Write a document if it is still as it was `seen` (None: not there); return whether it was."""

    @abstractmethod
    def remove(self, name: str) -> None:
        """Remove a file, durably; nothing happens when it is not there."""

    @abstractmethod
    def remove_folder(self, folder: str) -> None:
        """Remove a folder if nothing but what killed writers left is in it; only inside `exclusive`."""

    @abstractmethod
    def sweep(self) -> int:
        """Remove what writers that died an hour ago or longer left behind; return how many files."""

    def exclusive(self, name: str, folder: str = "") -> AbstractContextManager[None]:  # noqa: ARG002
        """Keep other writers of the series `name` out, where the place has locks; elsewhere `swap` decides.

        What killed writers left in `folder` goes where that is known to be nobody's.
        """
        return nullcontext()

    def read(self, name: str) -> bytes:
        """Return the file's bytes; LakeError when it is not there or cannot be read."""
        return b"".join(self.chunks(name))

    def find(self, *levels: str | None) -> list[str]:
        """Return the files whose paths match level by level, sorted; None stands for any name."""
        paths = list(self._paths("", levels))
        if levels[-1] is None:
            return paths
        return [path for path, there in zip(paths, self._each(self.exists, paths), strict=True) if there]

    def _paths(self, folder: str, levels: tuple[str | None, ...]) -> Iterator[str]:
        """Yield the paths that match; folders are listed only where a name may be any."""
        first, *rest = levels
        for name in self.names(folder) if first is None else [first]:
            path = f"{folder}/{name}" if folder else name
            yield from self._paths(path, tuple(rest)) if rest else [path]

    def documents(self, *levels: str | None) -> list[tuple[str, bytes]]:
        """Return what `find` does, each with its bytes."""
        names = self.find(*levels)
        return list(zip(names, self.read_all(names), strict=True))

    def read_all(self, names: list[str]) -> list[bytes]:
        """Read many files, some at once where each is a journey of its own."""
        return self._each(self.read, names)

    def _each(self, function: Callable[[str], T], names: list[str]) -> list[T]:
        if self.readers == 1 or len(names) < 2:  # noqa: PLR2004 - one needs no company
            return [function(name) for name in names]
        with ThreadPoolExecutor(self.readers, thread_name_prefix="lake") as pool:
            return list(pool.map(function, names))


def is_temporary(name: str) -> bool:
    """Whether a file is one that a writer has not finished."""
    return name.startswith(".") and name.endswith(TEMPORARY)
