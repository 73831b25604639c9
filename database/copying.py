"""Bars as PostgreSQL's binary COPY takes them: whole columns by numpy, no loop over rows in Python."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from psycopg import sql

from database.connection import Connection

_SIGNATURE = b"PGCOPY\n\xff\r\n\0" + bytes(8)  # no flags, no header extension
_TRAILER = b"\xff\xff"
_POSTGRES_EPOCH_US = 946_684_800_000_000
_BLOCK_ROWS = 8192  # stays in the processor's cache; a month at once is slower
_COLUMNS = (
    ("ts", ">i8"),  # a timestamptz travels as microseconds since 2000-01-01
    ("open", ">f8"),
    ("high", ">f8"),
    ("low", ">f8"),
    ("close", ">f8"),
    ("volume", ">f8"),
    ("minutes", ">i2"),
)


def copy_bars(connection: Connection, table: str, symbol: str, bars: pa.Table) -> None:
    """Copy `bars` of one market into `table`.

    `bars` has the columns ts (timestamp[us, UTC]), open, high, low, close, volume (float64) and minutes
    (int16), without nulls.
    """
    columns = {name: bars.column(name).to_numpy() for name, _ in _COLUMNS}
    columns["ts"] = columns["ts"].astype("datetime64[us]").view(np.int64) - _POSTGRES_EPOCH_US
    block = _rows(symbol, min(_BLOCK_ROWS, bars.num_rows))
    names = sql.SQL(", ").join(sql.Identifier(name) for name, _ in (*_COLUMNS, ("symbol", "")))
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(sql.Identifier(table), names)
    with connection.cursor().copy(statement) as copy:
        copy.write(_SIGNATURE)
        for start in range(0, bars.num_rows, _BLOCK_ROWS):
            part = block[: bars.num_rows - start]
            for name, values in columns.items():
                part[name] = values[start : start + len(part)]
            copy.write(part.tobytes())
        copy.write(_TRAILER)


def _rows(symbol: str, count: int) -> NDArray[np.void]:
    """Return `count` rows in the wire's form, with all that is the same in each of them.

    A row is the number of its fields, then each field's length in bytes and its value, big-endian.
    """
    text = np.frombuffer(symbol.encode(), np.uint8)
    fields = [("fields", ">i2")]
    for name, kind in _COLUMNS:
        fields += [(f"{name} length", ">i4"), (name, kind)]
    row = np.dtype([*fields, ("symbol length", ">i4"), ("symbol", np.uint8, len(text))])
    rows = np.zeros(count, row)
    rows["fields"] = len(_COLUMNS) + 1
    for name, kind in _COLUMNS:
        rows[f"{name} length"] = np.dtype(kind).itemsize
    rows["symbol length"], rows["symbol"] = len(text), text
    return rows
