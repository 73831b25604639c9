"""Bars as PostgreSQL's binary COPY takes them: whole columns by numpy, no loop over rows in Python."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from psycopg import sql

from database.columns import instants_of
from database.connection import Connection
from database.scaling import find_unit, scaled

_SIGNATURE = b"PGCOPY\n\xff\r\n\0" + bytes(8)  # no flags, no header extension
_TRAILER = b"\xff\xff"
_POSTGRES_EPOCH_US = 946_684_800_000_000
_BLOCK_ROWS = 8192  # stays in the processor's cache; a month at once is slower
_PRICES = ("open", "high", "low", "close")
_BAR = (
    ("ts", ">i8"),  # a timestamptz travels as microseconds since 2000-01-01
    ("open", ">f8"),
    ("high", ">f8"),
    ("low", ">f8"),
    ("close", ">f8"),
    ("volume", ">f8"),
    ("minutes", ">i2"),
)
_UNITS = {"price_unit": _PRICES, "volume_unit": ("volume",)}
_COLUMNS = (*_BAR, *((name, ">f4") for name in _UNITS))


def copy_bars(connection: Connection, table: str, symbol: str, bars: pa.Table) -> None:
    """Copy `bars` of one market into `table`, scaled_candle or one like it.

    `bars` has the columns ts (timestamp[us, UTC]), open, high, low, close, volume (float64) and minutes
    (int16), without nulls. All of their prices get one unit, and all of their volumes.
    """
    columns = {name: bars.column(name).to_numpy() for name, _ in _BAR}
    columns["ts"] = instants_of(bars) - _POSTGRES_EPOCH_US
    block = _rows(symbol, min(_BLOCK_ROWS, bars.num_rows))
    for name, measured in _UNITS.items():
        unit = find_unit([columns[column] for column in measured])
        columns |= {column: scaled(columns[column], unit) for column in measured}
        block[name] = unit
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
