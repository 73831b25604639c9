"""Writing bars: a month replaces itself in one transaction with its marker and its aggregates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc
from psycopg.types.json import Jsonb

from btcql.calendar import month_bounds
from btcql.errors import DatabaseError
from btcql.records import SYNTHETIC
from database.capabilities import read_capabilities
from database.changes import bars_between, replace_bars
from database.connection import Connection
from database.digests import digest_days, find_stretch, write_digests
from database.erasure import explain_erased, find_erased
from database.quality import QualityWarning, write_warnings
from database.queries import query
from database.version import record_change

_DAY = timedelta(days=1)


@dataclass(frozen=True)
class MonthLoad:
    """A month of one market as prepared, and where it came from.

    `bars` has the columns ts (timestamp[us, UTC], ascending), open, high, low, close, volume (float64) and
    minutes (int16); `raw_objects` lists the lake's files; every bar that ended by `complete_through` is in;
    `warnings` say what is odd about the bars.
    """

    symbol: str
    month: date
    bars: pa.Table
    sources: Sequence[str]
    raw_objects: Sequence[Mapping[str, str | bool]]
    input_sha256: str
    complete_through: datetime
    warnings: Sequence[QualityWarning] = ()


@dataclass(frozen=True)
class LoadResult:
    """How many rows a load wrote (inserted or changed) and removed."""

    written: int
    removed: int


def load_month(connection: Connection, load: MonthLoad) -> LoadResult:
    """Make the market's month equal to `load`, in one transaction of `connection`.

    The same input again changes nothing; unchanged rows are not touched. Loads of different months go on
    beside each other, two loads of one month take turns, and none goes on beside a refresh. Raises ValueError
    for bars that do not ascend within the month, DatabaseError for made-up bars beside real ones, and through
    `connected` for bars that break the table's checks.
    """
    starts, ends = month_bounds(load.month)
    digests = digest_days(load.bars, starts, ends)
    if not connection.execute(query("read_marker"), [load.symbol, load.month]).fetchone():  # not loaded yet
        _make_chunks(connection, starts, ends)
    with connection.transaction():
        connection.execute(query("share_refresh"))
        connection.execute(query("lock_month"), [load.symbol, load.month])
        marker = connection.execute(query("read_marker"), [load.symbol, load.month]).fetchone()
        if marker == (load.input_sha256,):
            return LoadResult(0, 0)
        made_up = SYNTHETIC in load.sources
        if connection.execute(query("find_other_kind"), [load.symbol, made_up]).fetchone():
            raise DatabaseError(
                f"{load.symbol} {load.month:%Y-%m}: this load would mix made-up bars with real ones"
            )
        from_day, to_day = find_stretch(connection, load.symbol, starts, digests)
        bars = bars_between(load.bars, from_day, to_day)
        changes = replace_bars(connection, load.symbol, from_day, to_day, bars)
        _mark_days(connection, load.symbol, changes.days())
        connection.execute(query("write_marker"), _marker(load))
        write_digests(connection, load.symbol, load.month, load.input_sha256, digests)
        write_warnings(connection, load.symbol, load.month, load.warnings)
        record_change(connection, load.symbol, "load")
        return LoadResult(changes.written.num_rows, len(changes.absent))


def remove_market(connection: Connection, symbol: str) -> int:
    """Remove a market whole (bars, aggregates, markers, forecasts) and return the number of its bars.

    For made-up bars, when the first real ones of the symbol arrive.
    """
    with connection.transaction():
        connection.execute(query("share_refresh"))
        statements = ["remove_markers", "remove_forecasts", "remove_backtests"]
        if read_capabilities(connection).continuous_aggregates:
            stretch = connection.execute(query("read_stretch"), {"symbol": symbol}).fetchone()
            if stretch:
                connection.execute(query("write_refresh"), [symbol, *stretch])
        else:
            statements += ["remove_market_hours", "remove_market_days"]
        removed = connection.execute(query("remove_bars"), [symbol]).rowcount
        for statement in statements:
            connection.execute(query(statement), [symbol])
        record_change(connection, symbol, "removal")
        return removed


def refresh_aggregates(connection: Connection, *, wait: bool = True) -> int:
    """Bring the continuous aggregates up to date with the loads, and return how many days that took.

    Exactly the touched days, the hours before the days built from them; `connection` must be in autocommit,
    for a refresh runs transactions of its own. Nothing to do where rollup tables serve. It begins when the
    loads under way have ended, and those to come wait for it; without `wait` it does nothing where it would
    have to wait. A killed refresh leaves its days on the list for the next. Days in which a market's bars are
    gone (dropped by a retention), so that a refresh would erase its history, stay on the list as well: it
    raises DatabaseError for them, after all other days; without `wait` the later refresh does, for a load
    to come may bring these bars.
    """
    if wait:
        connection.execute(query("lock_refresh"))
    elif connection.execute(query("try_lock_refresh")).fetchone() == (False,):
        return 0
    try:
        waiting = connection.execute(query("read_refreshes")).fetchall()
        erased: list[tuple[str, datetime]] = []
        batched = connection.execute(query("find_batched_refresh")).fetchone()
        refresh = query("refresh_aggregate_batched" if batched else "refresh_aggregate")
        refreshed = 0
        for from_day, to_day in _merge([(from_day, to_day) for _, from_day, to_day, _ in waiting]):
            found = find_erased(connection, from_day, to_day)
            if found:
                erased += found
                continue
            for aggregate in ("candle_hour", "candle_day"):
                connection.execute(refresh, [aggregate, from_day, to_day])
            _settle(connection, [own for own in waiting if from_day <= own[1] < to_day])
            refreshed += (to_day - from_day).days
    finally:
        connection.execute(query("unlock_refresh"))
    if erased and wait:
        raise DatabaseError(explain_erased(connection, erased))
    return refreshed


def aggregates_are_fresh(connection: Connection) -> bool:
    """Return whether no load waits for its aggregates."""
    return connection.execute(query("read_refreshes")).fetchone() is None


def read_markers(connection: Connection, symbol: str) -> dict[date, str]:
    """Return the input's sha256 of each loaded month of the market."""
    return dict(connection.execute(query("read_markers"), [symbol]).fetchall())


def read_sources(connection: Connection, symbol: str) -> set[str]:
    """Return the sources that the market's bars were loaded from."""
    return {source for (source,) in connection.execute(query("read_sources"), [symbol])}


def _make_chunks(connection: Connection, starts: datetime, ends: datetime) -> None:
    """Make the month's chunks, in a transaction of their own.

    Whoever makes a chunk keeps all others from making one until its transaction ends: in the load's own, no
    two loads of new months could go on beside each other.
    """
    if not read_capabilities(connection).timescaledb:
        return
    days = [starts + number * _DAY for number in range((ends - starts).days)]
    absent = [day for (day,) in connection.execute(query("find_absent_chunks"), {"days": days})]
    if absent:
        with connection.transaction():
            connection.execute(query("touch_chunks"), {"days": absent})
            connection.execute(query("untouch_chunks"), {"days": absent})


def _settle(connection: Connection, refreshed: list[tuple[int, datetime, datetime, str | None]]) -> None:
    """Take what was refreshed off the list, and say that the aggregates of its markets changed, at once.

    An answer read between the load and this is of a version that ends here. Rows of before the symbols
    count as every market's: the markets are none, and one change stands for all of them.
    """
    with connection.transaction():
        connection.execute(query("remove_refreshes"), [[refresh_id for refresh_id, *_ in refreshed]])
        for symbol in sorted({symbol or "" for *_, symbol in refreshed}):
            record_change(connection, symbol, "aggregates")


def _mark_days(connection: Connection, symbol: str, days: list[datetime]) -> None:
    """Roll the touched days up now, or list them for the refresh that must run outside the transaction."""
    if read_capabilities(connection).continuous_aggregates:
        for from_day, to_day in _merge([(day, day + _DAY) for day in days]):
            connection.execute(query("write_refresh"), [symbol, from_day, to_day])
    else:
        for statement in ("remove_hours", "insert_hours", "remove_days", "insert_days"):
            connection.execute(query(statement), {"symbol": symbol, "days": days})


def _merge(stretches: list[tuple[datetime, datetime]]) -> list[tuple[datetime, datetime]]:
    """Join half-open stretches of days that touch or overlap."""
    merged: list[tuple[datetime, datetime]] = []
    for start, end in sorted(stretches):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _marker(load: MonthLoad) -> dict[str, object]:
    return {
        "symbol": load.symbol,
        "month": load.month,
        "sources": list(load.sources),
        "input_sha256": load.input_sha256,
        "raw_objects": Jsonb(list(load.raw_objects)),
        "rows": load.bars.num_rows,
        "first_ts": pc.min(load.bars.column("ts")).as_py(),
        "complete_through": load.complete_through,
    }
