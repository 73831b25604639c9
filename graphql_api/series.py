"""The series that charts are made of: columns inside, one node per bar for whoever asks for nodes."""

from __future__ import annotations

from datetime import datetime

import strawberry
from strawberry import Private

from btcql import calendar
from btcql.averages import Averages
from btcql.records import AverageKind
from database.columns import Floats, Ints
from graphql_api.grids import Grid
from graphql_api.inputs import PointStatus
from graphql_api.scalars import FloatColumn, TimeColumn, nullable
from graphql_api.types import Coverage, ResolvedRange, Warning  # noqa: A004 - the contract's name

# by the numbers of btcql.averages
_STATUS = (PointStatus.OK, PointStatus.WARMUP, PointStatus.GAP)


@strawberry.type(
    description=("observed: base bars behind it; complete: its end has passed and its load has succeeded.")
)
class Candle:
    """One bar."""

    start: datetime
    open: float | None
    high: float | None
    low: float | None
    close: float | None
    volume: float | None
    observed: int
    complete: bool
    filled: bool


@strawberry.type
class CandleColumns:
    """The bars by column, in the order of the points."""

    start: TimeColumn
    open: FloatColumn
    high: FloatColumn
    low: FloatColumn
    close: FloatColumn
    volume: FloatColumn


@strawberry.type
class CandleSeries:
    """The bars of a range."""

    resolved: ResolvedRange
    grid: Private[Grid]
    coverage: Coverage
    warnings: list[Warning]

    @strawberry.field
    def points(self) -> list[Candle]:
        """Return one node per bar."""
        grid = self.grid
        rows = zip(
            _datetimes(grid.start),
            nullable(grid.open),
            nullable(grid.high),
            nullable(grid.low),
            nullable(grid.close),
            nullable(grid.volume),
            grid.observed.tolist(),
            grid.complete.tolist(),
            grid.filled.tolist(),
            strict=True,
        )
        return [
            Candle(
                start=start,
                open=open_,
                high=high,
                low=low,
                close=close,
                volume=volume,
                observed=observed,
                complete=complete,
                filled=filled,
            )
            for start, open_, high, low, close, volume, observed, complete, filled in rows
        ]

    @strawberry.field
    def columns(self) -> CandleColumns:
        """Return the same by column."""
        grid = self.grid
        return CandleColumns(
            start=TimeColumn(grid.start),
            open=FloatColumn(grid.open),
            high=FloatColumn(grid.high),
            low=FloatColumn(grid.low),
            close=FloatColumn(grid.close),
            volume=FloatColumn(grid.volume),
        )


@strawberry.type(description="value is null unless status is OK: the divisor never shrinks.")
class MovingAveragePoint:
    """The average at one bar."""

    start: datetime
    value: float | None
    close: float | None
    observations: int
    status: PointStatus


@strawberry.type
class MovingAverageColumns:
    """The averages by column, in the order of the points."""

    start: TimeColumn
    value: FloatColumn
    close: FloatColumn


@strawberry.type
class MovingAverageSeries:
    """The moving average over a range."""

    resolved: ResolvedRange
    window: int
    kind: AverageKind
    start: Private[Ints]
    close: Private[Floats]
    averages: Private[Averages]
    warnings: list[Warning]

    @strawberry.field
    def points(self) -> list[MovingAveragePoint]:
        """Return one node per bar."""
        rows = zip(
            _datetimes(self.start),
            nullable(self.averages.value),
            nullable(self.close),
            self.averages.observations.tolist(),
            [_STATUS[status] for status in self.averages.status.tolist()],
            strict=True,
        )
        return [
            MovingAveragePoint(
                start=start, value=value, close=close, observations=observations, status=status
            )
            for start, value, close, observations, status in rows
        ]

    @strawberry.field
    def columns(self) -> MovingAverageColumns:
        """Return the same by column."""
        return MovingAverageColumns(
            start=TimeColumn(self.start),
            value=FloatColumn(self.averages.value),
            close=FloatColumn(self.close),
        )


def _datetimes(column: Ints) -> list[datetime]:
    return [calendar.to_datetime(instant) for instant in column.tolist()]
