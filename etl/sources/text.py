"""A text file of rows, packed or not, read as bytes in UTF-8 from a given line on; and its first lines."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from btcql.errors import InputError
from etl.sources.unpacked import UnpackedFile

_BOM = b"\xef\xbb\xbf"
_HEAD = 1 << 16
_HEAD_LINES = 5
_LONGEST_LINE = 1 << 17
_LINE_END = re.compile(rb"\r\n|\n|\r")
_NOT_TEXT = "is not text in UTF-8: save it as CSV in UTF-8"


@dataclass(frozen=True, slots=True)
class Head:
    """What tells the kind of a text file: its first lines that are not blank, at least one.

    `lines` are (physical line, fields, trimmed); `names` the file's own and that of a zip's member.
    """

    path: Path
    names: tuple[str, ...]
    lines: tuple[tuple[int, tuple[str, ...]], ...]


class TextFile(io.RawIOBase):
    """The lines of `path` below the first `skipped` physical ones, as a binary stream; a context manager.

    A byte order mark is taken off. `lines` counts the physical lines read, and is whole once the stream
    has ended. Raises InputError, on opening or while reading, for a file that cannot be read as text.
    """

    def __init__(self, path: Path, skipped: int = 0) -> None:
        self._source = UnpackedFile(path)
        self.path = path
        self.names = self._source.names
        self.lines = 0
        self._ends_line = True
        try:
            head = self._take_head()
            self.head = head  # the first bytes, for who looks for the kind
            for _ in range(skipped):
                _, head = _first_line(head)
        except BaseException:
            self.close()
            raise
        self._rest = head
        self._count(head)

    def _take_head(self) -> bytes:
        head = self._source.read(_HEAD).removeprefix(_BOM)
        if head.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in head:
            raise InputError(str(self.path), _NOT_TEXT)
        return head

    def _count(self, piece: bytes) -> None:
        if piece:
            self.lines += piece.count(b"\n") + (0 if self._ends_line else -1)
            self._ends_line = piece.endswith(b"\n")
            self.lines += 0 if self._ends_line else 1

    def readable(self) -> bool:
        """Say that this stream is for reading."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes of the rows, b'' at their end."""
        if self._rest:
            size = len(self._rest) if size < 0 else size
            piece, self._rest = self._rest[:size], self._rest[size:]
            return piece
        piece = self._source.read(size)
        self._count(piece)
        return piece

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill `buffer`, as io.RawIOBase asks."""
        piece = self.read(len(buffer))
        buffer[: len(piece)] = piece
        return len(piece)

    def close(self) -> None:
        """Close the file."""
        self._source.close()
        super().close()


def read_head(path: Path) -> Head:
    """Read a text file's first lines; InputError for one that is empty or no text of rows."""
    with TextFile(path) as file:
        rest, names = file.head, file.names
        whole = len(rest) < _HEAD - len(_BOM)
    lines: list[tuple[int, tuple[str, ...]]] = []
    number = 0
    while rest and len(lines) < _HEAD_LINES:
        line, rest = _first_line(rest)
        number += 1
        if not line.strip():
            continue
        if not rest and not whole:
            break  # cut off where the head ends
        try:
            fields = next(csv.reader([line.decode()]))
        except (UnicodeDecodeError, csv.Error) as error:
            raise InputError(str(path), _NOT_TEXT, number) from error
        lines.append((number, tuple(field.strip() for field in fields)))
    if not lines:
        raise InputError(
            str(path), "is empty" if whole else f"is no table: its first {_HEAD} bytes have no end of line"
        )
    return Head(path, names, tuple(lines))


def numbered_rows(file: TextFile, skipped: int) -> Iterator[tuple[int, list[str]]]:
    """Yield (physical line, fields) of each row of `file`, opened below `skipped` lines, that is not blank.

    The slow way: it is gone only where the fast one fails, and to name a line. Bytes that are not UTF-8
    come as surrogates. Raises InputError.
    """
    text = io.TextIOWrapper(io.BufferedReader(file), encoding="utf-8", errors="surrogateescape", newline="")

    def lines() -> Iterator[str]:
        while line := text.readline(_LONGEST_LINE):
            if len(line) == _LONGEST_LINE:  # not to be gathered in memory, however long it is
                raise csv.Error(f"a line of more than {_LONGEST_LINE} characters")
            yield line

    rows = csv.reader(lines(), strict=True)
    while True:
        try:
            row = next(rows, None)
        except csv.Error as error:
            raise InputError(str(file.path), str(error), skipped + rows.line_num) from error
        if row is None:
            return
        if any(field.strip() for field in row) or len(row) > 1:
            yield skipped + rows.line_num, row


def _first_line(head: bytes) -> tuple[bytes, bytes]:
    found = _LINE_END.search(head)
    return (head[: found.start()], head[found.end() :]) if found else (head, b"")
