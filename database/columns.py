"""Columns as PostgreSQL sends them: one binary array per column, decoded by numpy without a loop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from struct import Struct
from typing import TYPE_CHECKING, Any, LiteralString, TypeAlias

import numpy as np
from numpy.typing import NDArray

from database.pool import Connection

if TYPE_CHECKING:  # the API reads columns too, and does without it
    import pyarrow as pa

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]

_POSTGRES_EPOCH = 946_684_800_000_000  # 2000-01-01 in epoch microseconds
_HEADER = Struct(
    ">iiIii"
)  # dimensions, whether there are nulls, the elements' type, their number, from where
_FLOAT = np.dtype([("length", ">i4"), ("value", ">f8")])
_INTEGER = np.dtype([("length", ">i4"), ("value", ">i8")])


async def fetch_columns(
    connection: Connection,
    query: LiteralString,
    names: Sequence[LiteralString],
    parameters: Mapping[str, Any],
    *scalars: LiteralString,
) -> list[bytes | None]:
    """Return the named columns of `query`'s rows, in its order, each as a binary array; None: no rows.

    After them come the values of the queries `scalars`, seen at the same instant.
    """
    statement = _statement(query, tuple(names), scalars)
    async with connection.cursor(binary=True) as cursor:
        await cursor.execute(statement, parameters)
        result = cursor.pgresult
        assert result is not None
        return [result.get_value(0, i) for i in range(len(names) + len(scalars))]


@cache
def _statement(
    query: LiteralString, names: tuple[LiteralString, ...], scalars: tuple[LiteralString, ...]
) -> LiteralString:
    aggregates = ", ".join([f"array_agg({name})" for name in names] + [f"({scalar})" for scalar in scalars])
    return f"SELECT {aggregates} FROM ({query}) AS row"  # noqa: S608 - both are the program's own text


def floats(array: bytes | None) -> Floats:
    """Return a binary float8[] without nulls as float64 of shape (n,)."""
    return _elements(array, _FLOAT).astype(np.float64)


def integer(value: bytes | None) -> int:
    """Return a binary bigint; 0 for null."""
    return int.from_bytes(value or b"", "big", signed=True)


def integers(array: bytes | None) -> Ints:
    """Return a binary bigint[] without nulls as int64 of shape (n,)."""
    return _elements(array, _INTEGER).astype(np.int64)


def instants(array: bytes | None) -> Ints:
    """Return a binary timestamptz[] without nulls as epoch microseconds, int64 of shape (n,)."""
    return integers(array) + _POSTGRES_EPOCH


def instants_of(bars: pa.Table) -> Ints:
    """Return the column ts of bars as epoch microseconds, int64 of shape (n,)."""
    ts: Ints = bars.column("ts").to_numpy().astype("datetime64[us]").view(np.int64)
    return ts


def _elements(array: bytes | None, element: np.dtype[np.void]) -> NDArray[Any]:
    if array is None or len(array) < _HEADER.size:
        return np.empty(0, dtype=element["value"])
    dimensions, nulls, *_ = _HEADER.unpack_from(array)
    if dimensions != 1 or nulls:
        raise ValueError("not a one-dimensional array without nulls")
    values: NDArray[Any] = np.frombuffer(array, element, offset=_HEADER.size)["value"]
    return values
