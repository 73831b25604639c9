"""The field `movement`: which bars a range needs, and what they add up to."""

from __future__ import annotations

import numpy as np

from btcql import calendar
from btcql.errors import QueryError
from btcql.records import Interval
from database.readers import bars as reader
from database.readers.markets import MarketFacts
from graphql_api import summary as summaries
from graphql_api.context import Context
from graphql_api.inputs import RangeInput
from graphql_api.ranges import MAX_BARS, Span, bounds, clamp, complete_stop
from graphql_api.resolvers import basic_warnings, explain_missing
from graphql_api.types import Coverage, Extreme, Movement, ResolvedRange

_FINER = (Interval.DAY, Interval.HOUR, Interval.MINUTE)


async def read_movement(context: Context, facts: MarketFacts, asked: RangeInput) -> Movement:
    """Return how the price moved over a range.

    Raises QueryError: RANGE_INVALID, INTERVAL_UNSUPPORTED when bounds inside a day meet daily bars only,
    RANGE_TOO_LARGE when they need more bars than one answer may read.
    """
    span = resolve_movement(asked, facts, context.now)
    context.extent.note_range(asked, span)
    if len(span) > MAX_BARS:
        raise QueryError(
            "RANGE_TOO_LARGE",
            f"bounds inside of a day make this a matter of {len(span)} bars of {span.interval}, more than "
            f"{MAX_BARS}: give bounds at midnight UTC, or a shorter range",
            maxPoints=MAX_BARS,
            suggestedInterval=calendar.coarser(span.start, span.end, span.interval, MAX_BARS),
        )
    bars = await context.read(reader.fetch_summed_bars, facts.symbol, span.interval, span.start, span.end)
    missing = np.ones(len(span), dtype=np.bool_)
    missing[calendar.numbers(bars.start, span.interval) - span.first] = False
    warnings = basic_warnings(span, facts)
    warnings += await explain_missing(context, facts, span, int(missing.sum()))
    movement = Movement(
        resolved=ResolvedRange.of(span), coverage=Coverage(span=span, absent=missing), warnings=warnings
    )
    summary = summaries.summarise(bars)
    if summary is None:
        return movement
    movement.open, movement.close = summary.open, summary.close
    movement.change, movement.change_percent = summary.change, summary.change_percent
    movement.average, movement.volume = summary.average, summary.volume
    movement.high, movement.low = await _read_extremes(context, facts, span, bars, summary)
    movement.volatility = await _read_volatility(context, facts, span, bars)
    return movement


def resolve_movement(asked: RangeInput, facts: MarketFacts, now: int) -> Span:
    """Return the bars of a movement: days between midnights, else hours or minutes, as fine as needed.

    Calendar days and rolling ranges are ranges of complete days (of base bars, in a market without any
    complete day); instants are taken as they are, to the whole minute. Raises QueryError (RANGE_INVALID).
    """
    whole_days = complete_stop(facts, Interval.DAY, now)
    has_day = whole_days > calendar.number(facts.first, Interval.DAY)
    complete_end = calendar.start_of(whole_days, Interval.DAY) if has_day else facts.through
    start, end = bounds(asked, complete_end, facts)
    for interval in _FINER:
        lower = calendar.number(facts.first, interval)
        upper = max(lower, complete_stop(facts, interval, now))
        span = clamp(interval, start, end, lower, upper)
        if has_day and asked.instants is None:
            return span
        # what is left of the range once it ends with the data and begins with it
        first = max(start, calendar.start_of(lower, interval))
        last = min(end, facts.through)
        if last <= calendar.start_of(upper, interval) and all(
            calendar.is_aligned(at, interval) for at in (first, last)
        ):
            return span
    return span


async def _read_extremes(
    context: Context, facts: MarketFacts, span: Span, bars: reader.SummedBars, summary: summaries.Summary
) -> tuple[Extreme, Extreme]:
    """Return the highest and the lowest price with the base bars that reached them first."""
    starts = [int(bars.start[bar]) for bar in (summary.high_bar, summary.low_bar)]
    ends = [calendar.start_of(calendar.number(at, span.interval) + 1, span.interval) for at in starts]
    found = await context.read(
        reader.fetch_extremes,
        facts.symbol,
        (summary.high, starts[0], ends[0]),
        (summary.low, starts[1], ends[1]),
    )
    # the aggregate may be a load behind its bars for a moment: then the bar itself is as fine as we know
    high_at, low_at = (start if at is None else at for at, start in zip(found, starts, strict=True))
    return (
        Extreme(at=calendar.to_datetime(high_at), value=summary.high),
        Extreme(at=calendar.to_datetime(low_at), value=summary.low),
    )


async def _read_volatility(
    context: Context, facts: MarketFacts, span: Span, bars: reader.SummedBars
) -> float | None:
    """Return the volatility of the whole days in `span`."""
    if span.interval is Interval.DAY:
        return summaries.volatility(bars)
    start, end = calendar.ceil(span.start, Interval.DAY), calendar.floor(span.end, Interval.DAY)
    if end - start < 3 * calendar.DAY:  # two returns need three days
        return None
    days = await context.read(reader.fetch_closes, facts.symbol, Interval.DAY, start, end)
    return summaries.volatility(days)
