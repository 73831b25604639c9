"""Columns as PostgreSQL sends them: one binary array per column, decoded by numpy without a loop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from operator import itemgetter
from struct import Struct
from typing import TYPE_CHECKING, Any, LiteralString, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from psycopg.pq.abc import PGresult

from database.pool import Connection

if TYPE_CHECKING:  # the API reads columns too, and does without it
    import pyarrow as pa

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]

_POSTGRES_EPOCH = 946_684_800_000_000  # 2000-01-01 in epoch microseconds
_FLOAT, _INTEGER, _INSTANT = 701, 20, 1184  # PostgreSQL's numbers of float8, bigint, timestamptz
_ARRAYS = {1022: _FLOAT, 1016: _INTEGER, 1185: _INSTANT}  # and of their arrays
_unpack_float, _unpack_integer = Struct(">d").unpack, Struct(">q").unpack
# An array: its dimensions, whether there are nulls, the elements' type, their number, the first one's place;
# then of each element its length and its value, which is of eight bytes here.
_PLAIN = Struct(">3i")  # its beginning
_first_part = itemgetter(slice(_PLAIN.size))
_HEADER, _LENGTH, _ELEMENT = 20, 4, 12


async def fetch_columns(
    connection: Connection,
    query: LiteralString,
    names: Sequence[LiteralString],
    parameters: Mapping[str, Any],
    *scalars: LiteralString,
    chunked: bool = False,
) -> tuple[list[NDArray[Any]], list[int]]:
    """Return the named columns of `query`'s rows, in its order, as `decode` does.

    With them come the values of the queries `scalars`, bigints (0 for null), seen at the same instant.
    chunked: whether a table is read that may have many chunks.
    """
    statement = _statement(query, tuple(names), scalars)
    result = await connection.prepared.execute(statement, parameters, chunked=chunked)
    values = [_integer(result.get_value(0, len(names) + place)) for place in range(len(scalars))]
    return decode(result, len(names)), values


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


@cache
def _statement(
    query: LiteralString, names: tuple[LiteralString, ...], scalars: tuple[LiteralString, ...]
) -> LiteralString:
    aggregates = ", ".join([f"array_agg({name})" for name in names] + [f"({scalar})" for scalar in scalars])
    return f"SELECT {aggregates} FROM ({query}) AS row"  # noqa: S608 - both are the program's own text


def decode(result: PGresult, count: int) -> list[NDArray[Any]]:
    """Return the first `count` values of a result's only row: binary arrays of the same length n.

    Each is of shape (n,): a float8[] as float64, a bigint[] as int64, a timestamptz[] as epoch microseconds,
    int64; no rows (null) as none. Raises ValueError for arrays with nulls, or of other lengths or types.
    """
    value = result.get_value
    arrays = [value(0, place) or b"" for place in range(count)]
    length = len(arrays[0])
    number = max(0, length - _HEADER) // _ELEMENT
    if number:
        kinds = _kinds(tuple(map(_first_part, arrays)))
    else:
        kinds = _kinds(tuple(_beginning(_ARRAYS.get(result.ftype(place), 0)) for place in range(count)))
    if kinds is None or {*map(len, arrays)} != {length}:
        raise ValueError(
            "not arrays of the same length, of one dimension and without nulls, "
            "of float8, bigint or timestamptz"
        )
    # All at once, for with a few rows each call of numpy costs more than its work: their eight bytes each, in
    # this machine's order, which then are taken for what they are.
    first = _HEADER + _LENGTH if number else 0
    values = np.ndarray((count, number), ">i8", b"".join(arrays), first, (length, _ELEMENT)).astype(np.int64)
    floats = values.view(np.float64)
    for place in kinds.instants:
        values[place] += _POSTGRES_EPOCH
    columns = [*floats]
    for place in kinds.integers:
        columns[place] = values[place]
    return columns


class _Kinds(NamedTuple):
    """Which columns are of integers, instants among them."""

    integers: Sequence[int]
    instants: Sequence[int]


@lru_cache(256)
def _kinds(beginnings: tuple[bytes, ...]) -> _Kinds | None:
    """Return what arrays that begin so are of; None: one of them is no plain array of what is read."""
    if not {*beginnings} <= {*map(_beginning, _ARRAYS.values())}:
        return None
    integers = [place for place, each in enumerate(beginnings) if each != _beginning(_FLOAT)]
    instants = [place for place, each in enumerate(beginnings) if each == _beginning(_INSTANT)]
    return _Kinds(integers, instants)


def _beginning(kind: int) -> bytes:
    """Return what an array of one dimension, without nulls, of elements of this type begins with."""
    return _PLAIN.pack(1, 0, kind)


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
