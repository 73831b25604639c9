"""What a month's load changes, found before anything is written: most bars are there already."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from btcql.calendar import to_datetime
from database.columns import floats, instants, integers
from database.connection import Connection
from database.queries import query

_NUMBERS = ("open", "high", "low", "close", "volume")


@dataclass(frozen=True)
class Changes:
    """The bars that are new or different, and the instants of those that are gone."""

    written: pa.Table
    absent: list[datetime]

    def days(self) -> list[datetime]:
        """Return the days that are touched, ascending."""
        gone = {instant.replace(hour=0, minute=0, second=0, microsecond=0) for instant in self.absent}
        return sorted(gone.union(days_of(self.written)))


def find_changes(
    connection: Connection, symbol: str, starts: datetime, ends: datetime, bars: pa.Table
) -> Changes:
    """Compare `bars`, all that the market is to have in [starts, ends), with what it has, to the last bit."""
    with connection.cursor(binary=True) as cursor:
        cursor.execute(query("read_month"), [symbol, starts, ends])
        result = cursor.pgresult
        assert result is not None
        ts, *numbers, minutes = (result.get_value(0, place) for place in range(len(_NUMBERS) + 2))
    found = instants(ts)
    if not len(found):
        return Changes(bars, [])
    given = bars.column("ts").to_numpy().astype("datetime64[us]").view(np.int64)
    # For each given bar the place where the one of its instant stands, if there is one.
    order = np.argsort(found)
    places = order[np.minimum(np.searchsorted(found, given, sorter=order), len(found) - 1)]
    same = found[places] == given
    for name, column in zip((*_NUMBERS, "minutes"), (*map(floats, numbers), integers(minutes)), strict=True):
        same &= column[places] == bars.column(name).to_numpy()
    absent = np.setdiff1d(found, given, assume_unique=True)
    return Changes(bars.filter(pa.array(~same)), [to_datetime(at) for at in absent])


def days_of(bars: pa.Table) -> list[datetime]:
    """Return the days of the bars, ascending."""
    days: list[datetime] = pc.unique(pc.floor_temporal(bars.column("ts"), unit="day")).to_pylist()
    return sorted(days)
