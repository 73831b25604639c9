"""What a refresh would erase: a continuous aggregate forgets the days whose bars are gone."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from btcql.calendar import month_bounds
from database.connection import Connection
from database.queries import query

_PIECE = timedelta(days=90)


def find_erased(connection: Connection, from_day: datetime, to_day: datetime) -> list[tuple[str, datetime]]:
    """Return what a refresh of [from_day, to_day) would erase: markets with their days of dropped bars.

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
    return [
        (symbol, day)
        for symbol, day, touched in empty
        if not touched or (symbol, _month_of(day)) in short_months
    ]


def explain_erased(connection: Connection, erased: list[tuple[str, datetime]]) -> str:
    """Say which days a refresh would erase, and how their months come back from the lake.

    To be deleted are the markers of just these months: each other one that is loaded anew waits for a refresh
    over its days, which the next market may lack. A month without a marker is on its way already.
    """
    days: dict[str, list[datetime]] = {}
    for symbol, day in sorted(erased):
        days.setdefault(symbol, []).append(day)
    named = [
        f"{len(own)} days of {symbol} ({own[0]:%Y-%m-%d} to {own[-1]:%Y-%m-%d})"
        for symbol, own in days.items()
    ]
    deletions = [own for symbol in days if (own := _deletion(connection, symbol, days[symbol]))]
    once = f"once: {' '.join(deletions)} Then" if deletions else "their markers are gone already, so"
    refreshes = " and ".join(f"btcql refresh --symbol {symbol}" for symbol in days)
    return (
        f"the aggregates were not refreshed where that would erase {'; '.join(named)}: the bars of these days"
        f" were dropped. To load their months again from the lake, {once} {refreshes}, again until it ends"
        " with 0"
    )


def _deletion(connection: Connection, symbol: str, days: list[datetime]) -> str | None:
    months = [
        f"'{month}'"
        for month in sorted({_month_of(day) for day in days})
        if connection.execute(query("read_marker"), [symbol, month]).fetchone()
    ]
    if not months:
        return None
    listed = ", ".join(months)
    return f"DELETE FROM load WHERE symbol = '{symbol}' AND month IN ({listed});"  # noqa: S608 - for a person


def _month_of(day: datetime) -> date:
    return day.astimezone(UTC).date().replace(day=1)


def _lost_bars(connection: Connection, symbol: str, month: date) -> bool:
    starts, ends = month_bounds(month)
    bounds = {"symbol": symbol, "month": month, "starts": starts, "ends": ends}
    return connection.execute(query("find_dropped_month"), bounds).fetchone() is not None
