"""The contract's scalars: strict on the way in, one form on the way out."""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Any, NewType

import numpy as np
import strawberry
from numpy.typing import NDArray
from strawberry.types.scalar import ScalarDefinition

from btcql.records import utc

FloatColumn = NewType("FloatColumn", np.ndarray)
TimeColumn = NewType("TimeColumn", np.ndarray)

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_DATETIME = re.compile(
    r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?(Z|[+-]\d{2}:\d{2})?", re.ASCII | re.IGNORECASE
)


def parse_date(value: object) -> date:
    """Return the day; ValueError names a value that is not one."""
    if isinstance(value, str) and _DATE.fullmatch(value):
        try:
            return date.fromisoformat(value)
        except ValueError as error:
            raise ValueError(f"{value!r} is not a day: {error}") from None
    raise ValueError(f"{value!r} is not a day: give one such as 2024-03-01")


def parse_datetime(value: object) -> datetime:
    """Return the instant in UTC; ValueError names a value that is not one, or that has no offset."""
    if isinstance(value, str) and _DATETIME.fullmatch(value):
        try:
            return utc(datetime.fromisoformat(value.upper()))
        except (ValueError, OverflowError) as error:
            raise ValueError(f"{value!r} is not an instant: {error}") from None
    raise ValueError(f"{value!r} is not an instant: give one such as 2024-03-01T00:00:00Z")


def format_datetime(value: datetime) -> str:
    """Return the instant as ISO 8601 in UTC, its offset written Z."""
    return utc(value).replace(tzinfo=None).isoformat() + "Z"


def nullable(column: NDArray[Any]) -> list[float | None]:
    """Return a column of floats as a list in which NaN, a value that does not exist, is None."""
    return [None if value != value else value for value in column.tolist()]  # noqa: PLR0124 - NaN


def _milliseconds(column: NDArray[Any]) -> list[int]:
    milliseconds: list[int] = (column // 1000).tolist()
    return milliseconds


SCALARS: dict[object, ScalarDefinition] = {
    date: strawberry.scalar(
        name="Date",
        description="A UTC calendar day, ISO 8601: 2024-03-01.",
        serialize=date.isoformat,
        parse_value=parse_date,
    ),
    datetime: strawberry.scalar(
        name="DateTime",
        description=(
            "An instant, ISO 8601 with an offset; answers are UTC: 2024-03-01T00:00:00Z. "
            "Naive times are refused."
        ),
        serialize=format_datetime,
        parse_value=parse_datetime,
    ),
    FloatColumn: strawberry.scalar(
        name="FloatColumn",
        description=("A whole column of numbers (or nulls) as one JSON array: what chart libraries want."),
        serialize=nullable,
    ),
    TimeColumn: strawberry.scalar(
        name="TimeColumn",
        description="A whole column of instants as one JSON array of epoch milliseconds.",
        serialize=_milliseconds,
    ),
}
