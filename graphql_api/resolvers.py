"""What a market's fields are answered with: each resolves the range, reads once or twice, and computes."""

from __future__ import annotations

import asyncio
from datetime import datetime

import numpy as np

from btcql import averages, calendar
from btcql.errors import QueryError
from btcql.records import AverageKind, Interval
from database.readers import bars as reader
from database.readers.markets import MarketFacts
from graphql_api import grids
from graphql_api.context import Context
from graphql_api.downsampling import downsample
from graphql_api.inputs import Fill, RangeInput
from graphql_api.ranges import Span, check_size, complete_stop, resolve
from graphql_api.scalars import format_datetime
from graphql_api.series import CandleSeries, MovingAverageSeries
from graphql_api.types import Coverage, Price, ResolvedRange, Warning  # noqa: A004 - the contract's name

_THREAD_WORTHY = 500_000  # additions: about a millisecond, the most that other requests may wait for


async def read_price(context: Context, facts: MarketFacts, at: datetime | None) -> Price:
    """Return the newest price, or the newest at `at`; an instant still to come is taken for now.

    Raises QueryError (RANGE_INVALID) for an instant before the market's first bar had ended.
    """
    asked = context.now if at is None else min(context.now, calendar.microseconds(at))
    end = min(asked, facts.through)
    if at is None or asked > facts.through:
        context.extent.note_open()
    found = await context.read(reader.fetch_price, facts.symbol, facts.first, end)
    if found is None:
        first = format_datetime(calendar.to_datetime(facts.first))
        when = format_datetime(calendar.to_datetime(asked))
        raise QueryError(
            "RANGE_INVALID", f"{facts.symbol} has no price at {when}: its first bar begins at {first}"
        )
    ended, close, version = found
    context.extent.note_version(version)
    return Price.of(ended, close, asked)


async def read_candles(
    context: Context,
    facts: MarketFacts,
    asked: RangeInput,
    interval: Interval,
    fill: Fill,
    max_points: int | None,
    *,
    include_incomplete: bool,
) -> CandleSeries:
    """Return the bars of a range; raises QueryError as `resolve`, `check_size` and `explain_missing` do."""
    span = resolve(asked, interval, facts, context.now, include_incomplete=include_incomplete)
    context.extent.note_range(asked, span)
    if include_incomplete:
        context.extent.note_open()
    check_size(span, "candles", max_points)
    warnings = basic_warnings(span, facts)
    bars = await read_bars(context, facts, span, context.selected(reader.COLUMNS))
    complete = complete_stop(facts, interval, context.now)
    grid = grids.lay(bars, span, complete, context.selected(grids.FLAGS))
    missing = np.isnan(grid.close)
    if number := len(span) - len(bars.start):
        warnings += await explain_missing(context, facts, span, number)
    if fill is Fill.NONE:
        grid = grids.leave_out_missing(grid)
    elif fill is Fill.PREVIOUS and number:
        before = None
        if missing[0]:
            before = await context.read(reader.fetch_close_before, facts.symbol, facts.first, span.start)
        grid = grids.fill_previous(grid, before)
    if max_points is not None:
        grid, thinned = downsample(grid, max_points)
        warnings += thinned
    return CandleSeries(span=span, grid=grid, covered=Coverage(span=span, absent=missing), told=warnings)


async def read_moving_average(
    context: Context,
    facts: MarketFacts,
    asked: RangeInput,
    window: int,
    kind: AverageKind,
    interval: Interval,
) -> MovingAverageSeries:
    """Return the moving average over a range of complete bars.

    The bars that its first point is computed from are read too, so that no shared point changes with
    the range's start. Raises QueryError (WINDOW_INVALID, and as `read_candles`).
    """
    averages.check_window(window)
    span = resolve(asked, interval, facts, context.now)
    context.extent.note_range(asked, span)
    check_size(span, "movingAverage")
    warnings = basic_warnings(span, facts)
    origin = calendar.number(facts.first, interval)
    first = span.first - averages.lead(window, kind, span.first)
    closes = np.full(span.stop - first, np.nan)
    if len(span):
        start = calendar.start_of(max(first, origin), interval)
        found = await context.read(reader.fetch_closes, facts.symbol, interval, start, span.end)
        context.extent.note_version(found.version)
        closes[calendar.numbers(found.start, interval) - first] = found.close
    shown = closes[span.first - first :]
    warnings += await explain_missing(context, facts, span, int(np.count_nonzero(np.isnan(shown))))
    work = (closes, window, kind, span.first, origin)
    if kind is AverageKind.EXPONENTIAL or window * len(closes) > _THREAD_WORTHY:
        values = await asyncio.to_thread(averages.average, *work)
    else:
        values = averages.average(*work)
    return MovingAverageSeries(
        resolved=ResolvedRange.of(span),
        window=window,
        kind=kind,
        start=calendar.starts(span.first, span.stop, interval),
        close=shown,
        averages=values,
        warnings=warnings,
    )


async def read_bars(
    context: Context, facts: MarketFacts, span: Span, names: tuple[str, ...] = reader.COLUMNS
) -> reader.Bars:
    """Return the bars of `span` that exist, with the columns of these names."""
    bars = await context.read(reader.fetch_bars, facts.symbol, span.interval, span.start, span.end, names)
    context.extent.note_version(bars.version)
    return bars


def basic_warnings(span: Span, facts: MarketFacts) -> list[Warning]:
    """Return what is to be said of the market and of the range before a bar is read."""
    warnings = [Warning.of_made_up(facts.symbol)] if facts.synthetic else []
    if not span.clamped:
        return warnings
    first, through = (format_datetime(calendar.to_datetime(at)) for at in (facts.first, facts.through))
    message = (
        f"the range reaches beyond the complete bars of {span.interval}: "
        f"{facts.symbol} has data from {first} through {through}"
    )
    return [*warnings, Warning(code="CLAMPED", message=message)]


async def explain_missing(context: Context, facts: MarketFacts, span: Span, missing: int) -> list[Warning]:
    """Say so where bars are missing only because coarser ones were loaded.

    Raises QueryError (INTERVAL_UNSUPPORTED) when no bar of the span was loaded fine enough.
    """
    needed = _base_minutes(span.interval)
    if not missing or needed is None:
        return []
    found = await context.read(reader.fetch_fineness, facts.symbol, needed, span.start, span.end)
    if missing == len(span) and found.finest is not None and found.finest > needed:
        finest = {60: Interval.HOUR, 1440: Interval.DAY}[found.finest]
        raise QueryError(
            "INTERVAL_UNSUPPORTED",
            f"{facts.symbol} has no bars as fine as {span.interval} in this range: the finest is {finest}",
            finestInterval=finest,
        )
    if not found.coarser_days:
        return []
    message = f"{found.coarser_days} days of the range were loaded from bars coarser than {span.interval}"
    return [Warning(code="COARSER_BARS", message=message)]


def _base_minutes(interval: Interval) -> int | None:
    """Return the length of the longest base bar that `interval` can be made of; None: of any."""
    if interval in {Interval.DAY, Interval.WEEK, Interval.MONTH}:
        return None
    return 60 if interval in {Interval.HOUR, Interval.FOUR_HOURS} else 1
