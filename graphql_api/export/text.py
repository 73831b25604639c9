"""CSV and JSON, encoded by orjson: floats shortest and exact, times as GraphQL answers have them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from btcql import calendar
from graphql_api.export.tables import Chunk, Column, Kind
from graphql_api.scalars import format_datetime, nullable

_SECOND = 1_000_000


class Csv:
    """RFC 4180: a line of names, a line a row, nulls empty. No value of ours needs quotes."""

    media_type = "text/csv; charset=utf-8; header=present"

    def __init__(self, columns: Sequence[Column]) -> None:
        self._columns = columns

    def begin(self) -> bytes:
        """Return the header."""
        return ",".join(column.name for column in self._columns).encode() + b"\r\n"

    def add(self, chunk: Chunk) -> bytes:
        """Return the lines of a chunk."""
        rows = _rows(self._columns, chunk)
        if not rows:
            return b""
        # [["2024-01-01",null],["2024-01-02",1.5]]: what is left without brackets and quotes are the lines
        lines = orjson.dumps(rows)[2:-2].replace(b"],[", b"\r\n").replace(b"null", b"").replace(b'"', b"")
        return lines + b"\r\n"

    def end(self) -> bytes:
        """Return nothing: a file ends with its last line."""
        return b""


class Json:
    """One array of objects."""

    media_type = "application/json"

    def __init__(self, columns: Sequence[Column]) -> None:
        self._columns, self._separator = columns, b""

    def begin(self) -> bytes:
        """Open the array."""
        return b"["

    def add(self, chunk: Chunk) -> bytes:
        """Return the objects of a chunk."""
        names = [column.name for column in self._columns]
        rows = [dict(zip(names, row, strict=True)) for row in _rows(self._columns, chunk)]
        if not rows:
            return b""
        separator, self._separator = self._separator, b","
        return separator + orjson.dumps(rows)[1:-1]

    def end(self) -> bytes:
        """Close the array."""
        return b"]"


def _rows(columns: Sequence[Column], chunk: Chunk) -> list[tuple[Any, ...]]:
    values = [_values(column.kind, array) for column, array in zip(columns, chunk, strict=True)]
    return list(zip(*values, strict=True))


def _values(kind: Kind, array: NDArray[Any]) -> list[Any]:
    """Return an array as what JSON has: strings, numbers, null, true and false."""
    if kind is Kind.FLOAT:
        return list(nullable(array))
    if kind is Kind.DAY:
        return list(np.datetime_as_string(array.astype("datetime64[D]")).tolist())
    if kind is Kind.INSTANT:
        if (array % _SECOND).any():
            return [format_datetime(calendar.to_datetime(instant)) for instant in array.tolist()]
        seconds = (array // _SECOND).astype("datetime64[s]")
        return list(np.datetime_as_string(seconds, timezone="UTC").tolist())
    return list(array.tolist())
