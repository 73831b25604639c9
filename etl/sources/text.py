"""A text file of rows, plain or gzipped, read as bytes in UTF-8 with its header taken off."""

from __future__ import annotations

import csv
import gzip
import io
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

from btcql.errors import InputError

_BOM = b"\xef\xbb\xbf"
_GZIP = b"\x1f\x8b"
_HEAD = 1 << 16
_LINE_END = re.compile(rb"\r\n|\n|\r")


class TextFile(io.RawIOBase):
    """The rows below the header of `path`, as a binary stream; a context manager.

    `header` holds the header's names as written, `header_lines` the physical lines up to and with it.
    `lines` counts the physical lines read below it, and is whole once the stream has ended.
    Raises InputError, on opening or while reading, for a file that is not there, empty, binary, cut off.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._source: BinaryIO | None = None
        self.lines = 0
        self._ends_line = True
        try:
            self._source = self._opened()
        except OSError as error:
            raise InputError(str(path), f"cannot be read: {error.strerror or error}") from error
        try:
            self._rest = self._take_header()
        except BaseException:
            self.close()
            raise

    def _opened(self) -> BinaryIO:
        file = self._path.open("rb")
        magic = file.read(len(_GZIP))
        file.seek(0)
        if magic == _GZIP:  # by its content, for downloads often lose or gain the ending
            file.close()  # gzip.open closes what it opened itself
            return cast(BinaryIO, gzip.open(self._path, "rb"))
        if self._path.suffix.lower() == ".gz" and magic:
            file.close()
            raise InputError(str(self._path), "is not gzip, though its name says so: rename or compress it")
        return file

    def _take_header(self) -> bytes:
        head = self._pull(_HEAD).removeprefix(_BOM)
        if head.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in head:
            raise InputError(str(self._path), "is not text in UTF-8: save it as CSV in UTF-8")
        self.header_lines, line = 0, b""
        while not line.strip():
            if not head.strip():
                raise InputError(str(self._path), "is empty")
            line, head = _first_line(head)
            self.header_lines += 1
        try:
            names = next(csv.reader([line.decode()]))
        except (UnicodeDecodeError, csv.Error) as error:
            raise InputError(
                str(self._path), "is not text in UTF-8: save it as CSV in UTF-8", self.header_lines
            ) from error
        self.header = [name.strip() for name in names]
        self._count(head)
        return head

    def _pull(self, size: int) -> bytes:
        try:
            assert self._source is not None
            return self._source.read(size)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise InputError(
                str(self._path), f"is cut off or damaged gzip ({error}): download it again"
            ) from error
        except OSError as error:
            raise InputError(str(self._path), f"cannot be read: {error.strerror or error}") from error

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
        piece = self._pull(size)
        self._count(piece)
        return piece

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill `buffer`, as io.RawIOBase asks."""
        piece = self.read(len(buffer))
        buffer[: len(piece)] = piece
        return len(piece)

    def close(self) -> None:
        """Close the file."""
        if self._source is not None:
            self._source.close()
        super().close()


def numbered_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield (physical line, fields) of each row below the header that is not blank.

    The slow way: it is gone only to name the line of what the fast way refused. Bytes that are not
    UTF-8 come as surrogates. Raises InputError.
    """
    with TextFile(path) as file:
        text = io.TextIOWrapper(
            io.BufferedReader(file), encoding="utf-8", errors="surrogateescape", newline=""
        )
        rows = csv.reader(text, strict=True)
        while True:
            try:
                row = next(rows, None)
            except csv.Error as error:
                raise InputError(str(path), str(error), file.header_lines + rows.line_num) from error
            if row is None:
                return
            if any(field.strip() for field in row) or len(row) > 1:
                yield file.header_lines + rows.line_num, row


def line_of(path: Path, row: int) -> int:
    """Return the physical line of the `row`-th row (from 0) that is not blank."""
    return next(line for number, (line, _) in enumerate(numbered_rows(path)) if number == row)


def _first_line(head: bytes) -> tuple[bytes, bytes]:
    found = _LINE_END.search(head)
    return (head[: found.start()], head[found.end() :]) if found else (head, b"")
