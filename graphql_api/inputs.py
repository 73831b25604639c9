"""What a question is made of: the contract's enums and input types."""

from __future__ import annotations

from datetime import date, datetime
from enum import Enum

import strawberry
from strawberry import Maybe

from btcql.records import AverageKind, Interval, Period

strawberry.enum(Interval)
strawberry.enum(
    Period,
    description=(
        "Rolling, ending with the last COMPLETE bar: WEEK = 7 days, MONTH = one calendar month, and so on."
    ),
)
strawberry.enum(AverageKind)


@strawberry.enum(
    description=(
        "What stands in a bar with no trades: NULL (default), the PREVIOUS close (marked filled), "
        "or NONE: the bar is left out."
    )
)
class Fill(Enum):
    """What stands in a bar that does not exist."""

    NULL = "NULL"
    PREVIOUS = "PREVIOUS"
    NONE = "NONE"


@strawberry.enum(
    description=("OK; WARMUP: fewer than `window` bars exist before it; GAP: a bar in its window is missing.")
)
class PointStatus(Enum):
    """Whether a moving average has all of its bars."""

    OK = "OK"
    WARMUP = "WARMUP"
    GAP = "GAP"


@strawberry.input
class DayRange:
    """Calendar days, both ends included."""

    from_: date = strawberry.field(name="from")
    to: date


@strawberry.input
class InstantRange:
    """Instants, [from, to)."""

    from_: datetime = strawberry.field(name="from")
    to: datetime


@strawberry.input(one_of=True, description="Exactly one of these.")
class RangeInput:
    """A range of time, said in one of four ways."""

    last: Maybe[Period]
    last_days: Maybe[int]
    days: Maybe[DayRange] = strawberry.field(description="Calendar days, BOTH ends included.")
    instants: Maybe[InstantRange] = strawberry.field(description="Instants, [from, to).")
