"""Columns as PostgreSQL sends them: rows of eight bytes for each value, decoded by numpy without a loop."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from struct import Struct
from typing import TYPE_CHECKING, Any, Literal, LiteralString, TypeAlias

import numpy as np
from numpy.typing import NDArray
from psycopg.pq.abc import PGresult

from database.pool import Connection

if TYPE_CHECKING:  # the API reads columns too, and does without it
    import pyarrow as pa

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]
Type: TypeAlias = Literal["float8", "bigint", "timestamptz"]

_POSTGRES_EPOCH = 946_684_800_000_000  # 2000-01-01 in epoch microseconds
_FLOAT, _INTEGER, _INSTANT = 701, 20, 1184  # PostgreSQL's numbers of float8, bigint, timestamptz
_unpack_float, _unpack_integer = Struct(">d").unpack, Struct(">q").unpack
# What makes of a value the eight bytes that it is sent as.
_SENT: dict[Type, LiteralString] = {
    "float8": "float8send",
    "bigint": "int8send",
    "timestamptz": "timestamptz_send",
}


class Columns:
    """Some columns of a query, by their names and PostgreSQL's types, as the one value that they are sent as.

    A value of another type is converted where PostgreSQL does so by itself, as a numeric to float8. The rows'
    bytes one after the other: to aggregate and send an array for each column takes a third longer.
    """

    def __init__(self, types: Mapping[LiteralString, Type]) -> None:
        self._row: LiteralString = " || ".join([f"{_SENT[kind]}({name})" for name, kind in types.items()])
        kinds = list(types.values())
        self._width = len(kinds)
        self._instants = [place for place, kind in enumerate(kinds) if kind == "timestamptz"]
        self._integers = [place for place, kind in enumerate(kinds) if kind != "float8"]

    def statement(self, query: LiteralString, *scalars: LiteralString) -> LiteralString:
        """Return what selects `query`'s rows, in its order, and the values of the queries `scalars`."""
        return _statement(query, self._row, scalars)

    def decode(self, result: PGresult) -> list[NDArray[Any]]:
        """Return the columns of a statement's result in binary, each of shape (n,).

        A float8 as float64, a bigint as int64, a timestamptz as epoch microseconds, int64. Raises ValueError
        if one of the values is null.
        """
        sent, rows = result.get_value(0, 0) or b"", _integer(result.get_value(0, 1))
        if len(sent) != rows * self._width * 8:
            raise ValueError(f"there is a null in one of {rows} rows")
        # All at once, for with a few rows each call of numpy costs more than its work: in this machine's
        # order, a column after the other, which then are taken for what they are.
        values = np.frombuffer(sent, ">i8").reshape(rows, self._width).T.astype(np.int64, order="C")
        for place in self._instants:
            values[place] += _POSTGRES_EPOCH
        columns: list[NDArray[Any]] = [*values.view(np.float64)]
        for place in self._integers:
            columns[place] = values[place]
        return columns


async def fetch_columns(
    connection: Connection,
    query: LiteralString,
    columns: Columns,
    parameters: Mapping[str, Any],
    *scalars: LiteralString,
    chunked: bool = False,
) -> tuple[list[NDArray[Any]], list[int]]:
    """Return the columns of `query`'s rows, in its order, as `Columns.decode` does.

    With them come the values of the queries `scalars`, bigints (0 for null), seen at the same instant.
    chunked: whether a table is read that may have many chunks.
    """
    statement = columns.statement(query, *scalars)
    result = await connection.prepared.execute(statement, parameters, chunked=chunked)
    return columns.decode(result), [_integer(result.get_value(0, 2 + at)) for at in range(len(scalars))]


@cache
def _statement(query: LiteralString, row: LiteralString, scalars: tuple[LiteralString, ...]) -> LiteralString:
    # a null makes its whole row null, which is left out then: the number of rows tells
    selected = ", ".join([f"string_agg({row}, '')", "count(*)", *(f"({each})" for each in scalars)])
    return f"SELECT {selected} FROM ({query}) AS row"  # noqa: S608 - all are the program's own text


async def fetch_row(
    connection: Connection, query: LiteralString, parameters: Mapping[str, Any], *, chunked: bool = False
) -> tuple[Any, ...] | None:
    """Return the first row of `query`, None where there is none; `chunked` is `fetch_columns`'.

    A float8 is a float, a bigint an int, a timestamptz epoch microseconds, int. Raises ValueError for other
    types and nulls.
    """
    result = await connection.prepared.execute(query, parameters, chunked=chunked)
    if not result.ntuples:
        return None
    return tuple([_value(result, place) for place in range(result.nfields)])


def _value(result: PGresult, place: int) -> Any:
    value, kind = result.get_value(0, place), result.ftype(place)
    if value is not None:
        if kind == _FLOAT:
            return _unpack_float(value)[0]
        if kind == _INTEGER:
            return _unpack_integer(value)[0]
        if kind == _INSTANT:
            return _unpack_integer(value)[0] + _POSTGRES_EPOCH
    raise ValueError(f"{value!r} of PostgreSQL's type {kind} is not read as a number")


def _integer(value: bytes | None) -> int:
    number: int = 0 if value is None else _unpack_integer(value)[0]
    return number


def instants_of(bars: pa.Table) -> Ints:
    """Return the column ts of bars as epoch microseconds, int64 of shape (n,)."""
    ts: Ints = bars.column("ts").to_numpy().astype("datetime64[us]").view(np.int64)
    return ts
