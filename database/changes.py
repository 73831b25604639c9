"""What a load changes, found before anything is written: most bars are there already."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from btcql.calendar import microseconds, to_datetime
from btcql.errors import DatabaseError
from database.columns import Columns, instants_of
from database.connection import Connection
from database.copying import copy_bars
from database.queries import query

_PRICES = ("open", "high", "low", "close", "volume")
_NUMBERS = (*_PRICES, "minutes")
_COLUMNS = Columns({"ts": "timestamptz", **dict.fromkeys(_PRICES, "float8"), "minutes": "bigint"})


@dataclass(frozen=True)
class Changes:
    """The bars that are new or different, and the instants of those that are gone."""

    written: pa.Table
    absent: list[datetime]

    def days(self) -> list[datetime]:
        """Return the days that are touched, ascending."""
        gone = {instant.replace(hour=0, minute=0, second=0, microsecond=0) for instant in self.absent}
        return sorted(gone.union(_days_of(self.written)))


def replace_bars(
    connection: Connection, symbol: str, starts: datetime, ends: datetime, bars: pa.Table
) -> Changes:
    """Make `bars` all that the market has in [starts, ends), and return what that changed.

    Bars that are there already are not touched. The caller keeps others from writing there; raises
    DatabaseError if bars to be removed are not there any more.
    """
    if not connection.execute(query("find_bar"), [symbol, starts, ends]).fetchone():
        copy_bars(connection, "scaled_candle", symbol, bars)
        return Changes(bars, [])
    changes = find_changes(connection, symbol, starts, ends, bars)
    if changes.absent:
        bounds = [symbol, starts, ends, changes.absent]
        removed = connection.execute(query("remove_absent"), bounds).rowcount
        if removed != len(changes.absent):
            raise DatabaseError(
                f"{symbol} {starts:%Y-%m}: {removed} of {len(changes.absent)} bars could be removed"
            )
    if changes.written.num_rows:
        connection.execute(query("create_staging"))
        copy_bars(connection, "staging", symbol, changes.written)
        connection.execute(query("upsert_staged"))
        connection.execute(query("drop_staging"))
    return changes


def find_changes(
    connection: Connection, symbol: str, starts: datetime, ends: datetime, bars: pa.Table
) -> Changes:
    """Compare `bars`, all that the market is to have in [starts, ends), with what it has, to the last bit."""
    with connection.cursor(binary=True) as cursor:
        cursor.execute(_COLUMNS.statement(query("read_bars")), [symbol, starts, ends])
        result = cursor.pgresult
        assert result is not None
        found, *columns = _COLUMNS.decode(result)
    if not len(found):
        return Changes(bars, [])
    given = instants_of(bars)
    # For each given bar the place where the one of its instant stands, if there is one.
    order = np.argsort(found)
    places = order[np.minimum(np.searchsorted(found, given, sorter=order), len(found) - 1)]
    same = found[places] == given
    for name, column in zip(_NUMBERS, columns, strict=True):
        same &= column[places] == bars.column(name).to_numpy()
    absent = np.setdiff1d(found, given, assume_unique=True)
    return Changes(bars.filter(pa.array(~same)), [to_datetime(at) for at in absent])


def bars_between(bars: pa.Table, starts: datetime, ends: datetime) -> pa.Table:
    """Return those of the ascending bars that are in [starts, ends)."""
    first, stop = np.searchsorted(instants_of(bars), [microseconds(starts), microseconds(ends)])
    return bars.slice(first, stop - first)


def _days_of(bars: pa.Table) -> list[datetime]:
    days: list[datetime] = pc.unique(pc.floor_temporal(bars.column("ts"), unit="day")).to_pylist()
    return days
