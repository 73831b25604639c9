"""The arithmetic of bars: which bar an instant falls in, and where bars begin and end.

Every bar of an interval has a whole number, counted from 1970 in UTC (weeks begin on Monday, months
are the calendar's), so that a range of bars is two numbers and its length a subtraction. Instants are
epoch microseconds (int, or int64 arrays): they have no daylight saving and cannot overflow a datetime.
"""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, date, datetime, timedelta
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from btcql import rhythm
from btcql.records import Interval, Period

Ints: TypeAlias = NDArray[np.int64]

MINUTE = 60_000_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
SETTLING = rhythm.SETTLING // timedelta(microseconds=1)
OVERDUE = rhythm.OVERDUE // timedelta(microseconds=1)

_EPOCH, _MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)
_ORIGIN = dict.fromkeys(Interval, 0) | {Interval.WEEK: 4 * DAY}  # 1970-01-01 was a Thursday
_LENGTH = {
    Interval.MINUTE: MINUTE,
    Interval.FIVE_MINUTES: 5 * MINUTE,
    Interval.FIFTEEN_MINUTES: 15 * MINUTE,
    Interval.HOUR: HOUR,
    Interval.FOUR_HOURS: 4 * HOUR,
    Interval.DAY: DAY,
    Interval.WEEK: 7 * DAY,
}
_MONTHS = {Period.MONTH: 1, Period.QUARTER: 3, Period.YEAR: 12}


def microseconds(instant: datetime) -> int:
    """Return an aware datetime as epoch microseconds."""
    return (instant - _EPOCH) // _MICROSECOND


def to_datetime(instant: int) -> datetime:
    """Return epoch microseconds as a datetime in UTC; years 1 to 9999 only, else OverflowError."""
    return _EPOCH + timedelta(microseconds=int(instant))


def midnight(day: date) -> int:
    """Return the instant at which a UTC calendar day begins."""
    return (day.toordinal() - _EPOCH.toordinal()) * DAY


def month_bounds(month: date) -> tuple[datetime, datetime]:
    """Return when the UTC month of a day begins, and when it ends."""
    starts = datetime(month.year, month.month, 1, tzinfo=UTC)
    return starts, starts + timedelta(days=monthrange(month.year, month.month)[1])


def number(instant: int, interval: Interval) -> int:
    """Return the number of the bar that holds `instant`."""
    if interval is Interval.MONTH:
        day = instant // DAY
        return int(np.int64(day).astype("datetime64[D]").astype("datetime64[M]").astype(np.int64))
    return (instant - _ORIGIN[interval]) // _LENGTH[interval]


def numbers(instants: Ints, interval: Interval) -> Ints:
    """Return the numbers of the bars that hold `instants`, of the same shape."""
    if interval is Interval.MONTH:
        months: Ints = (instants // DAY).astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
        return months
    bars: Ints = (instants - _ORIGIN[interval]) // _LENGTH[interval]
    return bars


def start_of(bar: int, interval: Interval) -> int:
    """Return the instant at which the bar of this number begins (and the one before it ends)."""
    if interval is Interval.MONTH:
        return int(np.int64(bar).astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)) * DAY
    return bar * _LENGTH[interval] + _ORIGIN[interval]


def starts(first: int, stop: int, interval: Interval) -> Ints:
    """Return where each of the bars first, ..., stop - 1 begins: int64 of shape (stop - first,)."""
    bars = np.arange(first, stop, dtype=np.int64)
    if interval is Interval.MONTH:
        days: Ints = bars.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
        return days * DAY
    return bars * _LENGTH[interval] + _ORIGIN[interval]


def floor(instant: int, interval: Interval) -> int:
    """Return the start of the bar that holds `instant`."""
    return start_of(number(instant, interval), interval)


def ceil(instant: int, interval: Interval) -> int:
    """Return `instant` if a bar begins there, else the end of the bar that holds it."""
    return start_of(stop_number(instant, interval), interval)


def stop_number(instant: int, interval: Interval) -> int:
    """Return the number of the first bar that begins at or after `instant`."""
    return number(instant - 1, interval) + 1


def count(start: int, end: int, interval: Interval) -> int:
    """Return how many bars overlap [start, end), without building them."""
    return max(0, stop_number(end, interval) - number(start, interval))


def is_aligned(instant: int, interval: Interval) -> bool:
    """Return whether a bar of `interval` begins at `instant`."""
    return floor(instant, interval) == instant


def overdue_at(through: int) -> int:
    """Return from when on bars that reach to `through` are too few: another day should have come by then."""
    return floor(through, Interval.DAY) + DAY + OVERDUE


def before(end: int, period: Period) -> int:
    """Return the instant one `period` before `end`; a month's missing day becomes its last (31 -> 30).

    Period.ALL has no length: ValueError.
    """
    if period is Period.ALL:
        raise ValueError("ALL has no length: it begins with the market's first bar")
    if period in _MONTHS:
        at = to_datetime(end)
        month = at.year * 12 + at.month - 1 - _MONTHS[period]
        year, month = divmod(month, 12)
        day = min(at.day, monthrange(year, month + 1)[1])
        return microseconds(at.replace(year=year, month=month + 1, day=day))
    return end - (DAY if period is Period.DAY else 7 * DAY)


def coarser(start: int, end: int, interval: Interval, limit: int) -> Interval | None:
    """Return the finest interval above `interval` with at most `limit` bars over [start, end), if any."""
    order = list(Interval)
    above = order[order.index(interval) + 1 :]
    return next((candidate for candidate in above if count(start, end, candidate) <= limit), None)
