"""The series that charts are made of: columns inside, one node per bar for whoever asks for nodes."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Any

import strawberry
from numpy.typing import NDArray
from strawberry import Private

from btcql.averages import Averages
from btcql.records import AverageKind
from database.columns import Floats, Ints
from database.readers.bars import COLUMNS
from graphql_api.batches import Batch, Column, Shape
from graphql_api.context import typed
from graphql_api.grids import FLAGS, Grid
from graphql_api.inputs import PointStatus
from graphql_api.ranges import Span
from graphql_api.scalars import FloatColumn, TimeColumn
from graphql_api.types import Coverage, ResolvedRange, Warning  # noqa: A004 - the contract's name

# What stands for a column that was not read, for it is not selected: none of the scalars takes it.
_UNREAD: Any = strawberry.UNSET
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


_CANDLE = Shape(
    {
        "start": Column("DateTime"),
        **{name: Column("Int" if name == "observed" else "Float") for name in COLUMNS},
        **dict.fromkeys(FLAGS, Column("Boolean")),
    },
    partial(Candle, **dict.fromkeys((*COLUMNS, *FLAGS), _UNREAD)),
)


@strawberry.type
class CandleColumns:
    """The bars by column, in the order of the points."""

    start: TimeColumn
    open: FloatColumn
    high: FloatColumn
    low: FloatColumn
    close: FloatColumn
    volume: FloatColumn
    observed: FloatColumn = strawberry.field(description="Base bars behind each bar; 0 where there is none.")


@strawberry.type
class CandleSeries:
    """The bars of a range; what is said of them is made when it is asked for."""

    span: Private[Span]
    grid: Private[Grid]
    covered: Private[Coverage]
    told: Private[list[Warning]]

    @strawberry.field
    def resolved(self) -> ResolvedRange:
        """Return what was understood."""
        return ResolvedRange.of(self.span)

    @typed(list[Candle])
    def points(self) -> Batch[Candle]:
        """Return one node per bar."""
        grid = self.grid
        return Batch(_CANDLE, {"start": grid.start, **grid.columns})

    @strawberry.field
    def columns(self) -> CandleColumns:
        """Return the same by column."""
        columns: dict[str, Any] = {name: self.grid.columns.get(name, _UNREAD) for name in COLUMNS}
        return CandleColumns(start=TimeColumn(self.grid.start), **columns)

    @strawberry.field
    def coverage(self) -> Coverage:
        """Return which of the range's bars exist."""
        return self.covered

    @strawberry.field
    def warnings(self) -> list[Warning]:
        """Return what is to be known of them before they are believed."""
        return self.told


@strawberry.type(description="value is null unless status is OK: the divisor never shrinks.")
class MovingAveragePoint:
    """The average at one bar."""

    start: datetime
    value: float | None
    close: float | None
    observations: int
    status: PointStatus


_AVERAGE = Shape(
    {
        "start": Column("DateTime"),
        "value": Column("Float"),
        "close": Column("Float"),
        "observations": Column("Int"),
        "status": Column("PointStatus", _STATUS),
    },
    MovingAveragePoint,
)


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

    @typed(list[MovingAveragePoint])
    def points(self) -> Batch[MovingAveragePoint]:
        """Return one node per bar."""
        averages = self.averages
        values: dict[str, NDArray[Any]] = {
            "start": self.start,
            "value": averages.value,
            "close": self.close,
            "observations": averages.observations,
            "status": averages.status,
        }
        return Batch(_AVERAGE, values)

    @strawberry.field
    def columns(self) -> MovingAverageColumns:
        """Return the same by column."""
        return MovingAverageColumns(
            start=TimeColumn(self.start),
            value=FloatColumn(self.averages.value),
            close=FloatColumn(self.close),
        )
