"""What is exported: typed columns that come piece by piece, by the very steps of the GraphQL fields."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeAlias

from numpy.typing import NDArray

from database.readers.markets import MarketFacts
from graphql_api.types import ResolvedRange, Warning  # noqa: A004 - the contract's name


class Kind(Enum):
    """What an array holds."""

    INSTANT = "int64, epoch microseconds"
    DAY = "int64, days since 1970"
    FLOAT = "float64, NaN where there is none"
    INTEGER = "int64"
    FLAG = "bool"
    WORD = "words of the contract: ASCII letters alone"


@dataclass(frozen=True)
class Column:
    """A column by its name in the contract."""

    name: str
    kind: Kind
    nullable: bool = False


# One array of shape (n,) for each column, in their order.
Chunk: TypeAlias = Sequence[NDArray[Any]]


@dataclass(frozen=True)
class Table:
    """A file's content; `chunks` can be gone through once, and raises what the GraphQL field would.

    `name` says what it is, for the file's name; `rows` are at most so many, and `before` are those that are
    read before them and not shown: both are what it costs;
    `resolved` is None where no range was asked for;
    `is_closed`: nothing but a new version of the data can change it.
    """

    name: str
    columns: Sequence[Column]
    chunks: AsyncIterator[Chunk]
    rows: int
    before: int = 0
    resolved: ResolvedRange | None = None
    warnings: Sequence[Warning] = ()
    is_closed: bool = False

    @property
    def cost(self) -> int:
        """How many rows are read for it, at most."""
        return self.rows + self.before

    @property
    def told(self) -> list[str]:
        """The warnings as text: they stand in the header, and in the file where its format has a place."""
        return [f"{warning.code}: {warning.message}" for warning in self.warnings]


def market_name(facts: MarketFacts) -> str:
    """Return what a file's name begins with: the file outlives its header."""
    return f"SYNTHETIC_{facts.symbol}" if facts.synthetic else facts.symbol
