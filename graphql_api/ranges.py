"""From the range that was asked to the bars that answer it: validated, expanded to whole bars, clamped."""

from __future__ import annotations

from dataclasses import dataclass

from btcql import calendar
from btcql.errors import QueryError
from btcql.records import Interval, Period
from database.readers.markets import MarketFacts
from graphql_api.inputs import RangeInput
from graphql_api.scalars import format_datetime

MAX_POINTS = 10_000  # that one series carries
MAX_BARS = 100_000  # that are read to be made less of: of hours eleven years, of minutes ten weeks
_BASE_BARS = {Interval.FIVE_MINUTES: 5, Interval.FIFTEEN_MINUTES: 15, Interval.FOUR_HOURS: 4}  # in each
# A day's bar counts as complete when the exchange has had this long to finish it.
_DAYS_OR_MORE = (Interval.DAY, Interval.WEEK, Interval.MONTH)


@dataclass(frozen=True)
class Span:
    """The bars first, ..., stop - 1 of an interval, by number; clamped: more was asked than there is."""

    interval: Interval
    first: int
    stop: int
    clamped: bool

    @property
    def start(self) -> int:
        """Where the first bar begins, epoch microseconds."""
        return calendar.start_of(self.first, self.interval)

    @property
    def end(self) -> int:
        """Where the last bar ends, epoch microseconds."""
        return calendar.start_of(self.stop, self.interval)

    def __len__(self) -> int:
        """Return the number of bars."""
        return self.stop - self.first


def complete_stop(facts: MarketFacts, interval: Interval, now: int) -> int:
    """Return the number of the first bar that is not complete: not loaded, or a day not yet settled."""
    end = facts.through
    if interval in _DAYS_OR_MORE:
        end = min(end, now - calendar.SETTLING)
    return calendar.number(end, interval)


def resolve(
    asked: RangeInput, interval: Interval, facts: MarketFacts, now: int, *, include_incomplete: bool = False
) -> Span:
    """Return the whole bars that overlap the asked range, clamped to those that the market has.

    Without `include_incomplete` the market's bars end with the last complete one. A range outside of
    them is an empty span at their edge. Raises QueryError (RANGE_INVALID).
    """
    complete = complete_stop(facts, interval, now)
    start, end = bounds(asked, calendar.start_of(complete, interval), facts)
    lower = calendar.number(facts.first, interval)
    upper = calendar.stop_number(facts.through, interval) if include_incomplete else complete
    return clamp(interval, start, end, lower, max(lower, upper))


def clamp(interval: Interval, start: int, end: int, lower: int, upper: int) -> Span:
    """Return the bars over [start, end) that are among the bars lower, ..., upper - 1."""
    wanted_first, wanted_stop = calendar.number(start, interval), calendar.stop_number(end, interval)
    first, stop = min(max(wanted_first, lower), upper), min(max(wanted_stop, lower), upper)
    return Span(interval, first, stop, clamped=first != wanted_first or stop != wanted_stop)


def bounds(asked: RangeInput, complete_end: int, facts: MarketFacts) -> tuple[int, int]:
    """Return the asked range as [start, end) in epoch microseconds, not yet expanded nor clamped.

    Rolling ranges end at `complete_end`, the end of the last complete bar. Raises QueryError
    (RANGE_INVALID) for a range that is empty or goes backwards, naming both of its bounds.
    """
    if asked.days is not None:
        days = asked.days.value
        if days.from_ > days.to:
            raise QueryError(
                "RANGE_INVALID",
                f"days from {days.from_} to {days.to} go backwards: give the earlier day first",
            )
        return calendar.midnight(days.from_), calendar.midnight(days.to) + calendar.DAY
    if asked.instants is not None:
        instants = asked.instants.value
        start, end = calendar.microseconds(instants.from_), calendar.microseconds(instants.to)
        if start >= end:
            texts = f"instants from {format_datetime(instants.from_)} to {format_datetime(instants.to)}"
            why = (
                "go backwards: give the earlier one first"
                if start > end
                else "are an empty range, [from, to)"
            )
            raise QueryError("RANGE_INVALID", f"{texts} {why}")
        return start, end
    if asked.last_days is not None:
        number = asked.last_days.value
        if number < 1:
            raise QueryError("RANGE_INVALID", f"lastDays {number} is no range: give 1 or more")
        return complete_end - number * calendar.DAY, complete_end
    assert asked.last is not None  # exactly one is given: the schema has seen to it
    if asked.last.value is Period.ALL:
        return min(facts.first, complete_end), complete_end
    return calendar.before(complete_end, asked.last.value), complete_end


def base_bars(interval: Interval) -> int:
    """Return how many stored bars, or rows of an aggregate, are read for each bar of less than a day."""
    return _BASE_BARS.get(interval, 1)


def check_size(span: Span, field: str, max_points: int | None = None) -> None:
    """Refuse a span of more bars than one answer may read; the database has not been asked for them yet.

    With `max_points` the bars are to be downsampled to so many, and more may be read; `field` is who asks.
    Raises QueryError: RANGE_TOO_LARGE with `maxPoints`, `suggestedInterval` (null: no interval is coarse
    enough), `downsamples` (whether maxPoints would do) and `export`, the address of the whole as a file;
    BAD_USER_INPUT for a `max_points` that is not in 1..MAX_POINTS.
    """
    if max_points is not None and not 1 <= max_points <= MAX_POINTS:
        raise QueryError(
            "BAD_USER_INPUT", f"maxPoints {max_points} is no number of points: give 1 to {MAX_POINTS}"
        )
    readable = max(MAX_POINTS, MAX_BARS // base_bars(span.interval))
    if len(span) <= (MAX_POINTS if max_points is None else readable):
        return
    suggested = calendar.coarser(span.start, span.end, span.interval, MAX_POINTS)
    ways_out = [f"the interval {suggested}"] if suggested else []
    downsamples = field == "candles" and max_points is None and len(span) <= readable
    if downsamples:
        ways_out.append("maxPoints, which downsamples them")
    ways_out += ["a shorter range", f"all of them as a file from /export/{field}"]
    limit = f"{MAX_POINTS}" if max_points is None else f"the {readable} that are read to be downsampled"
    raise QueryError(
        "RANGE_TOO_LARGE",
        f"{len(span)} bars of {span.interval} are more than {limit}: ask for {', or '.join(ways_out)}",
        maxPoints=MAX_POINTS,
        suggestedInterval=suggested,
        downsamples=downsamples,
        export=f"/export/{field}",
    )
