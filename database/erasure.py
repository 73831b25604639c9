"""What a refresh would erase: a continuous aggregate forgets the days whose bars are gone."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from database.connection import Connection
from database.queries import query

_PIECE = timedelta(days=90)


def find_erased(connection: Connection, from_day: datetime, to_day: datetime) -> list[str]:
    """Name what a refresh of [from_day, to_day) would erase: the markets and their days of dropped bars.

    That is, of the days without bars, those that no load or removal of their market has touched, and those of
    a month that has fewer bars now than its load brought. The bars are looked for in pieces of the stretch,
    each planned by itself: over all chunks of a long one a day took 1.8 ms instead of 0.03.
    """
    empty: list[tuple[str, datetime, bool]] = []
    while from_day < to_day:
        bounds = {"from_day": from_day, "to_day": min(from_day + _PIECE, to_day)}
        empty += connection.execute(query("find_empty_days"), bounds, prepare=False).fetchall()
        from_day = bounds["to_day"]
    touched_months = {(symbol, _month_of(day)) for symbol, day, touched in empty if touched}
    short_months = {own for own in touched_months if _lost_bars(connection, *own)}
    erased: dict[str, list[datetime]] = {}
    for symbol, day, touched in empty:
        if not touched or (symbol, _month_of(day)) in short_months:
            erased.setdefault(symbol, []).append(day)
    return [
        f"{len(days)} days of {symbol} ({days[0]:%Y-%m-%d} to {days[-1]:%Y-%m-%d})"
        for symbol, days in sorted(erased.items())
    ]


def _month_of(day: datetime) -> date:
    return day.astimezone(UTC).date().replace(day=1)


def _lost_bars(connection: Connection, symbol: str, month: date) -> bool:
    starts = datetime(month.year, month.month, 1, tzinfo=UTC)
    ends = (starts + timedelta(days=31)).replace(day=1)
    bounds = {"symbol": symbol, "month": month, "starts": starts, "ends": ends}
    return connection.execute(query("find_dropped_month"), bounds).fetchone() is not None
