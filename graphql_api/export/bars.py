"""The tables of bars: candles and moving averages, however long, a piece of the range at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import numpy as np

from btcql import averages, calendar
from btcql.errors import QueryError
from btcql.records import AverageKind, Interval
from database.columns import Floats
from database.readers import bars as reader
from database.readers.markets import MarketFacts
from graphql_api import grids
from graphql_api.context import Context
from graphql_api.export.tables import Chunk, Column, Kind, Table, market_name
from graphql_api.inputs import Fill, PointStatus, RangeInput
from graphql_api.ranges import Span, base_bars, complete_stop, resolve
from graphql_api.resolvers import basic_warnings, explain_missing, read_bars
from graphql_api.types import ResolvedRange

_PIECE = 8192  # bars: a megabyte as they come, and a few milliseconds of work at a time

CANDLES = (
    Column("start", Kind.INSTANT),
    *(Column(name, Kind.FLOAT, nullable=True) for name in ("open", "high", "low", "close", "volume")),
    Column("observed", Kind.INTEGER),
    Column("complete", Kind.FLAG),
    Column("filled", Kind.FLAG),
)
AVERAGES = (
    Column("start", Kind.INSTANT),
    Column("value", Kind.FLOAT, nullable=True),
    Column("close", Kind.FLOAT, nullable=True),
    Column("observations", Kind.INTEGER),
    Column("status", Kind.WORD),
)
# by the numbers of btcql.averages
_STATUS = np.array([status.value for status in (PointStatus.OK, PointStatus.WARMUP, PointStatus.GAP)])


async def export_candles(
    context: Context,
    facts: MarketFacts,
    asked: RangeInput,
    interval: Interval,
    fill: Fill,
    most: int,
    *,
    include_incomplete: bool,
) -> Table:
    """Return the bars of a range, up to `most` of them; raises QueryError as `candles` does."""
    span = resolve(asked, interval, facts, context.now, include_incomplete=include_incomplete)
    chunks = _candles(context, facts, span, fill)
    table = await _table(context, facts, span, most, f"candles_{interval}", CANDLES, chunks)
    return replace(table, is_closed=_is_closed(asked, span) and not include_incomplete)


async def export_averages(
    context: Context,
    facts: MarketFacts,
    asked: RangeInput,
    window: int,
    kind: AverageKind,
    interval: Interval,
    most: int,
) -> Table:
    """Return the moving average over a range of up to `most` bars; raises QueryError as the field does."""
    averages.check_window(window)
    span = resolve(asked, interval, facts, context.now)
    chunks = _averages(context, facts, span, window, kind)
    table = await _table(context, facts, span, most, f"{kind}_{window}_{interval}", AVERAGES, chunks)
    before = min(averages.lead(window, kind, span.first), span.first - calendar.number(facts.first, interval))
    return replace(table, before=before * base_bars(interval), is_closed=_is_closed(asked, span))


def _is_closed(asked: RangeInput, span: Span) -> bool:
    """Return whether the range was given by its ends, and is there whole."""
    return not span.clamped and (asked.days is not None or asked.instants is not None)


async def _table(
    context: Context,
    facts: MarketFacts,
    span: Span,
    most: int,
    name: str,
    columns: tuple[Column, ...],
    chunks: AsyncIterator[Chunk],
) -> Table:
    if len(span) > most:
        suggested = calendar.coarser(span.start, span.end, span.interval, most)
        way_out = f"the interval {suggested}, or a shorter range" if suggested else "a shorter range"
        raise QueryError(
            "RANGE_TOO_LARGE",
            f"{len(span)} bars of {span.interval} are more than {most}, the most that one export has: "
            f"ask for {way_out}",
            maxPoints=most,
            suggestedInterval=suggested,
        )
    warnings = basic_warnings(span, facts)
    # How many bars are missing is known at the end only; but where coarser ones were loaded, some are.
    warnings += await explain_missing(context, facts, span, len(span))
    bounds = f"{_compact(span.start)}_{_compact(span.end)}"
    name = f"{market_name(facts)}_{name}_{bounds}"
    return Table(name, columns, chunks, len(span), resolved=ResolvedRange.of(span), warnings=warnings)


async def _candles(context: Context, facts: MarketFacts, span: Span, fill: Fill) -> AsyncIterator[Chunk]:
    complete = complete_stop(facts, span.interval, context.now)
    before: float | None = None
    for piece in _pieces(span):
        grid = grids.lay(await read_bars(context, facts, piece), piece, complete)
        if fill is Fill.NONE:
            grid = grids.leave_out_missing(grid)
        elif fill is Fill.PREVIOUS:
            if piece.first == span.first and np.isnan(grid.close[0]):
                before = await context.read(reader.fetch_close_before, facts.symbol, facts.first, span.start)
            grid = grids.fill_previous(grid, before)
            if not np.isnan(grid.close[-1]):
                before = float(grid.close[-1])
        columns = {"start": grid.start, **grid.columns}
        yield [columns[column.name] for column in CANDLES]


async def _averages(
    context: Context, facts: MarketFacts, span: Span, window: int, kind: AverageKind
) -> AsyncIterator[Chunk]:
    """Yield the averages; the closes that the next piece needs as well are kept, not read again."""
    origin = calendar.number(facts.first, span.interval)
    read = span.first - averages.lead(window, kind, span.first)  # the first bar not read yet
    closes = np.empty(0)  # of the bars before it
    for piece in _pieces(span):
        lead = averages.lead(window, kind, piece.first)
        fresh = await _closes(context, facts, span.interval, read, piece.stop)
        closes = np.concatenate((closes, fresh))[-(lead + len(piece)) :]
        read = piece.stop
        work = (closes, window, kind, piece.first, origin)
        values = await asyncio.to_thread(averages.average, *work)
        starts = calendar.starts(piece.first, piece.stop, span.interval)
        yield [starts, values.value, closes[lead:], values.observations, _STATUS[values.status]]


async def _closes(context: Context, facts: MarketFacts, interval: Interval, first: int, stop: int) -> Floats:
    """Return the closes of the bars first, ..., stop - 1, NaN where one is missing."""
    closes = np.full(stop - first, np.nan)
    start = calendar.start_of(max(first, calendar.number(facts.first, interval)), interval)
    end = calendar.start_of(stop, interval)
    found = await context.read(reader.fetch_closes, facts.symbol, interval, start, end)
    closes[calendar.numbers(found.start, interval) - first] = found.close
    return closes


def _pieces(span: Span) -> Iterator[Span]:
    for first in range(span.first, span.stop, _PIECE):
        yield replace(span, first=first, stop=min(first + _PIECE, span.stop))


def _compact(instant: int) -> str:
    """Return an instant for a file's name: the day, with the time only where it is not midnight."""
    at = calendar.to_datetime(instant)
    return f"{at:%Y%m%d}" if calendar.is_aligned(instant, Interval.DAY) else f"{at:%Y%m%dT%H%MZ}"
