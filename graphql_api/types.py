"""The contract's plain types: what several fields answer with."""

from __future__ import annotations

from datetime import datetime
from functools import cached_property

import numpy as np
import strawberry
from numpy.typing import NDArray
from strawberry import Private

from btcql import calendar
from btcql.records import Interval
from database.readers.markets import MarketFacts
from graphql_api.grids import gaps
from graphql_api.ranges import Span

_SECOND = 1_000_000


@strawberry.type(
    description=("dataThrough: end of the last complete bar. stale: the next daily refresh is overdue.")
)
class Freshness:
    """How far a market's bars reach."""

    first_bar: datetime
    data_through: datetime
    age_seconds: int
    stale: bool
    next_refresh_at: datetime | None

    @classmethod
    def of(cls, facts: MarketFacts, now: int, next_refresh_at: datetime | None = None) -> Freshness:
        """Return the freshness of a market at the instant `now`; the schedule plans `next_refresh_at`."""
        return cls(
            first_bar=calendar.to_datetime(facts.first),
            data_through=calendar.to_datetime(facts.through),
            age_seconds=max(0, now - facts.through) // _SECOND,
            stale=now >= calendar.overdue_at(facts.through),
            next_refresh_at=next_refresh_at,
        )


@strawberry.type
class Price:
    """A price and the end of the bar that it closed."""

    at: datetime
    value: float
    age_seconds: int

    @classmethod
    def of(cls, end: int, value: float, asked: int) -> Price:
        """Return the close `value` of a bar that ended at `end`, as seen at the instant `asked`."""
        return cls(at=calendar.to_datetime(end), value=value, age_seconds=(asked - end) // _SECOND)


@strawberry.type
class Extreme:
    """A highest or lowest price, at the start of the base bar that reached it first."""

    at: datetime
    value: float


@strawberry.type(
    description=(
        "What the server understood: bounds as half-open instants, interval, "
        "and whether anything was clamped."
    )
)
class ResolvedRange:
    """The bars that an answer is made of."""

    from_: datetime = strawberry.field(name="from")
    to: datetime
    interval: Interval
    clamped: bool

    @classmethod
    def of(cls, span: Span) -> ResolvedRange:
        """Return the bounds of `span`."""
        return cls(
            from_=calendar.to_datetime(span.start),
            to=calendar.to_datetime(span.end),
            interval=span.interval,
            clamped=span.clamped,
        )


@strawberry.type
class Gap:
    """A stretch of missing bars, [from, to)."""

    from_: datetime = strawberry.field(name="from")
    to: datetime
    bars: int


@strawberry.type
class Coverage:
    """How many of a range's bars exist, and where they do not; absent: of each bar of the span."""

    span: Private[Span]
    absent: Private[NDArray[np.bool_]]

    @strawberry.field
    def expected(self) -> int:
        """Return how many bars the range has room for."""
        return len(self.span)

    @strawberry.field
    def present(self) -> int:
        """Return how many of them exist."""
        return len(self.span) - int(np.count_nonzero(self.absent))

    @strawberry.field
    def missing(self) -> list[Gap]:
        """Return the stretches that do not, which are made once, however often they are asked for."""
        return self._gaps

    @cached_property
    def _gaps(self) -> list[Gap]:
        return [
            Gap(from_=calendar.to_datetime(start), to=calendar.to_datetime(end), bars=bars)
            for start, end, bars in gaps(self.absent, self.span)
        ]


@strawberry.type(
    description=(
        "CLAMPED, COARSER_BARS, DOWNSAMPLED: what the answer differs in from what was asked. "
        "SYNTHETIC: the market is made-up sample data."
    )
)
class Warning:  # noqa: A001 - the contract's name
    """What is to be known of an answer before it is believed."""

    code: str
    message: str

    @classmethod
    def of_made_up(cls, symbol: str) -> Warning:
        """Return the warning that goes with every figure of a made-up market."""
        return cls(
            code="SYNTHETIC", message=f"{symbol} is made-up sample data: nobody ever paid these prices"
        )


@strawberry.type
class Movement:
    """How the price moved over a range; nulls where the range has no bar."""

    resolved: ResolvedRange
    open: float | None = None
    close: float | None = None
    high: Extreme | None = None
    low: Extreme | None = None
    change: float | None = None
    change_percent: float | None = None
    average: float | None = None
    volume: float | None = None
    volatility: float | None = strawberry.field(
        default=None,
        description="Standard deviation of daily log returns in the range, annualised by sqrt(365).",
    )
    coverage: Coverage
    warnings: list[Warning]


@strawberry.type(
    description=(
        "timescaledb: null on plain PostgreSQL; continuousAggregates: whether they serve the averages."
    )
)
class ServerInfo:
    """What answers."""

    version: str
    database: str
    timescaledb: str | None
    edition: str
    continuous_aggregates: bool
