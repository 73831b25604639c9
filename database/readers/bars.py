"""Bars of one market as columns: only those that exist; the grid they stand in is the caller's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any, LiteralString, NamedTuple

from numpy.typing import NDArray

from btcql import calendar
from btcql.records import Interval
from database.columns import Columns, Floats, Ints, Type, fetch_columns, fetch_row
from database.pool import Connection
from database.queries import query

# What a query's {columns} are where they are not simply the table's. Only those asked for are selected: for a
# few bars it takes the database a good part of its time to plan for all of them.
_RAW: dict[str, LiteralString] = {"observed": "1::bigint", "close_sum": "close", "minutes": "minutes::bigint"}
_AGGREGATED: dict[str, LiteralString] = {"observed": "observed::bigint", "minutes": "minutes::bigint"}

# interval -> (query, its columns, its own parameters, whether it is of base bars: these have a chunk for each
# few months, and no plan is kept of what reads them; hours and days have few chunks)
_BY_INTERVAL: dict[Interval, tuple[str, dict[str, LiteralString], dict[str, Any], bool]] = {
    Interval.MINUTE: ("fetch_minute", _RAW, {}, True),
    Interval.FIVE_MINUTES: ("fetch_minutes", {}, {"length": timedelta(minutes=5)}, True),
    Interval.FIFTEEN_MINUTES: ("fetch_minutes", {}, {"length": timedelta(minutes=15)}, True),
    Interval.HOUR: ("fetch_hour", _AGGREGATED, {}, False),
    Interval.FOUR_HOURS: ("fetch_hours", {}, {"length": timedelta(hours=4)}, False),
    Interval.DAY: ("fetch_day", _AGGREGATED, {}, False),
    Interval.WEEK: ("fetch_days", {}, {"unit": "week"}, False),
    Interval.MONTH: ("fetch_days", {}, {"unit": "month"}, False),
}

COLUMNS: tuple[LiteralString, ...] = ("open", "high", "low", "close", "volume", "observed")
_SUMMED: tuple[LiteralString, ...] = (*COLUMNS, "close_sum", "minutes")
_TYPES: dict[str, Type] = {
    "ts": "timestamptz",
    **dict.fromkeys(("open", "high", "low", "close", "volume", "close_sum"), "float8"),
    **dict.fromkeys(("observed", "minutes"), "bigint"),
}


class Bars(NamedTuple):
    """n bars in ascending order: arrays of shape (n,); of the others than close those that were asked for.

    start: epoch microseconds; columns: prices in the quote currency, volume in the base currency (float64),
    observed: base bars behind each (int64); version: the data's, of which they are.
    """

    start: Ints
    columns: Mapping[str, NDArray[Any]]
    version: int


@dataclass(frozen=True)
class SummedBars:
    """All columns as `Bars` has them; the sum of the closes of each one's base bars, the minutes of one."""

    start: Ints
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    observed: Ints
    close_sum: Floats
    minutes: Ints
    version: int


@dataclass(frozen=True)
class Closes:
    """The closes of n bars in ascending order: epoch microseconds and prices of shape (n,); the version."""

    start: Ints
    close: Floats
    version: int


@dataclass(frozen=True)
class Fineness:
    """How fine a range's bars are: minutes of the finest (None: no bars), days only loaded coarser."""

    finest: int | None
    coarser_days: int


async def fetch_bars(
    connection: Connection,
    symbol: str,
    interval: Interval,
    start: int,
    end: int,
    names: tuple[str, ...] = COLUMNS,
) -> Bars:
    """Return the bars that begin in [start, end), epoch microseconds; both bounds are bounds of bars.

    `names` are the columns to read, some of COLUMNS; close is read in any case, for it tells what is missing.
    """
    return Bars(*await _fetch(connection, _with_close(names), symbol, interval, start, end))


async def fetch_summed_bars(
    connection: Connection, symbol: str, interval: Interval, start: int, end: int
) -> SummedBars:
    """Return the same with what their mean is computed from."""
    ts, columns, version = await _fetch(connection, _SUMMED, symbol, interval, start, end)
    return SummedBars(ts, **columns, version=version)


async def fetch_closes(
    connection: Connection, symbol: str, interval: Interval, start: int, end: int
) -> Closes:
    """Return the closes of the bars that begin in [start, end), epoch microseconds."""
    ts, columns, version = await _fetch(connection, ("close",), symbol, interval, start, end)
    return Closes(ts, columns["close"], version)


async def fetch_fineness(connection: Connection, symbol: str, minutes: int, start: int, end: int) -> Fineness:
    """Return how fine the days overlapping [start, end) were loaded, against bars of `minutes`."""
    days = (calendar.floor(start, Interval.DAY), calendar.ceil(end, Interval.DAY))
    parameters = {**_bounds(symbol, *days), "minutes": minutes}
    cursor = await connection.execute(query("fetch_fineness"), parameters)
    row = await cursor.fetchone()
    assert row is not None
    return Fineness(*row)


async def fetch_close_before(connection: Connection, symbol: str, first: int, end: int) -> float | None:
    """Return the newest close of a bar that began before `end`; `first` is the market's first bar.

    The last week is tried first: on a hypertable a long range is planned over all its chunks. Where the bars
    were dropped it is the last hour's or day's.
    """
    for start in (max(first, end - 7 * calendar.DAY), first):
        cursor = await connection.execute(
            query("fetch_close_before"),
            _bounds(symbol, start, end),
            prepare=False,  # of base bars, as below: psycopg would prepare it after a few times
        )
        row = await cursor.fetchone()
        if row is not None:
            close: float = row[0]
            return close
    kept = await _fetch_kept_close(connection, symbol, end)
    return None if kept is None else kept[1]


async def fetch_extremes(
    connection: Connection,
    symbol: str,
    high: tuple[float, int, int],
    low: tuple[float, int, int],
) -> tuple[int | None, int | None]:
    """Return where the base bar of the first `high` and of the first `low` begins, epoch microseconds.

    Each is (price, start, end) of the bar that is known to hold it; None if the base bars do not.
    """
    parameters: dict[str, Any] = {"symbol": symbol}
    for name, (price, start, end) in (("high", high), ("low", low)):
        parameters[name] = price
        parameters[f"{name}_start"] = calendar.to_datetime(start)
        parameters[f"{name}_end"] = calendar.to_datetime(end)
    cursor = await connection.execute(query("fetch_extremes"), parameters, prepare=False)
    row = await cursor.fetchone()
    assert row is not None
    at_high, at_low = (None if at is None else calendar.microseconds(at) for at in row)
    return at_high, at_low


async def fetch_price(
    connection: Connection, symbol: str, first: int, end: int
) -> tuple[int, float, int] | None:
    """Return (end in epoch microseconds, close, version) of the newest base bar that had ended by `end`.

    `first` is the market's first bar; None when no bar had ended. Where the bars were dropped it is the
    newest hour, or day that has no hours.
    """
    for start in (max(first, end - 7 * calendar.DAY), first):
        if start < end:
            row = await fetch_row(connection, query("fetch_price"), _bounds(symbol, start, end), chunked=True)
            if row is not None:
                return row
    return await _fetch_kept_close(connection, symbol, end)


async def _fetch_kept_close(connection: Connection, symbol: str, end: int) -> tuple[int, float, int] | None:
    """Return the same of the hours and days, which stay where base bars are dropped."""
    parameters = {"symbol": symbol, "end": calendar.to_datetime(end)}
    return await fetch_row(connection, query("fetch_kept_close"), parameters)


@cache
def _with_close(names: tuple[str, ...]) -> tuple[LiteralString, ...]:
    return tuple(name for name in COLUMNS if name == "close" or name in names)


async def _fetch(
    connection: Connection,
    names: tuple[LiteralString, ...],
    symbol: str,
    interval: Interval,
    start: int,
    end: int,
) -> tuple[Ints, dict[str, NDArray[Any]], int]:
    """Return where the bars begin, the columns of these names, and the data's version."""
    _, _, own, chunked = _BY_INTERVAL[interval]
    (ts, *columns), (version,) = await fetch_columns(
        connection,
        _query(interval, names),
        _columns(names),
        {**_bounds(symbol, start, end), **own},
        query("fetch_version"),
        chunked=chunked,
    )
    return ts, dict(zip(names, columns, strict=True)), version


@cache
def _query(interval: Interval, names: tuple[LiteralString, ...]) -> LiteralString:
    """Return the query of an interval, which selects these columns, or more."""
    name, columns, _, _ = _BY_INTERVAL[interval]
    selected = [f"{columns[each]} AS {each}" if each in columns else each for each in ("ts", *names)]
    return query(name).replace("{columns}", ", ".join(selected))


@cache
def _columns(names: tuple[LiteralString, ...]) -> Columns:
    return Columns({name: _TYPES[name] for name in ("ts", *names)})


def _bounds(symbol: str, start: int, end: int) -> dict[str, Any]:
    return {"symbol": symbol, "start": calendar.to_datetime(start), "end": calendar.to_datetime(end)}
