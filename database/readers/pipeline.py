"""What the pipeline did lately, and what it will do."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import unquote

from database.pool import Connection
from database.quality import QualityWarning
from database.queries import query


@dataclass(frozen=True)
class PipelineFacts:
    """The newest run of any market and the newest success; how each market's newest run stands."""

    last_run_at: datetime | None
    last_success_at: datetime | None
    states: frozenset[str]


@dataclass(frozen=True)
class LoadFacts:
    """A raw object of the lake that a month of bars was loaded from; `rows` are the month's."""

    symbol: str
    source: str
    first: datetime
    through: datetime
    rows: int
    loaded_at: datetime
    raw_object: str
    sha256: str


@dataclass(frozen=True)
class RunFacts:
    """One run of a market's pipeline; `ended_at` is None while it goes on, or if it was killed."""

    market: str
    task: str
    state: str
    started_at: datetime
    ended_at: datetime | None
    rows: int


@dataclass(frozen=True)
class MarketMetrics:
    """A market in numbers: the end of its bars, how many, whole days without any, and how its runs went.

    is_followed: whether a refresh goes on with its bars, for they are not from imported files alone.
    """

    symbol: str
    through: datetime
    rows: int
    missing_days: int
    last_success_at: datetime | None
    failures: int | None
    is_followed: bool


async def fetch_pipeline(connection: Connection) -> PipelineFacts:
    """Return how the pipeline stands."""
    cursor = await connection.execute(query("fetch_pipeline"))
    row = await cursor.fetchone()
    assert row is not None
    last_run_at, last_success_at, states = row
    return PipelineFacts(last_run_at, last_success_at, frozenset(states or ()))


async def fetch_loads(connection: Connection, first: int) -> list[LoadFacts]:
    """Return the newest `first` loads: the newest run's first, and of each run the newest month first."""
    cursor = await connection.execute(query("fetch_loads"), {"first": first})
    # The lake spells a name's other characters by their numbers: file%3Aprices.
    return [LoadFacts(symbol, unquote(source), *row) for symbol, source, *row in await cursor.fetchall()]


async def fetch_runs(connection: Connection, first: int) -> list[RunFacts]:
    """Return the newest `first` runs, newest first."""
    cursor = await connection.execute(query("fetch_runs"), {"first": first})
    return [RunFacts(*row) for row in await cursor.fetchall()]


async def fetch_quality_warnings(connection: Connection, first: int) -> list[tuple[str, QualityWarning]]:
    """Return the newest `first` warnings of the loaded bars with their markets, newest first."""
    cursor = await connection.execute(query("fetch_quality_warnings"), {"first": first})
    return [(symbol, QualityWarning(*row)) for symbol, *row in await cursor.fetchall()]


async def fetch_next_refresh(connection: Connection, symbol: str) -> datetime | None:
    """Return when the market's refresh is planned; None: no schedule knows it."""
    cursor = await connection.execute(query("fetch_next_refresh"), [symbol])
    row = await cursor.fetchone()
    return None if row is None else row[0]


async def fetch_metrics(connection: Connection) -> list[MarketMetrics]:
    """Return every market with data, by symbol."""
    cursor = await connection.execute(query("read_followed"))
    followed = [symbol for symbol, _ in await cursor.fetchall()]
    cursor = await connection.execute(query("fetch_metrics"), {"followed": followed})
    return [MarketMetrics(*row) for row in await cursor.fetchall()]


async def fetch_size(connection: Connection) -> int:
    """Return the bytes that the database takes on its disk."""
    cursor = await connection.execute(query("fetch_size"))
    row = await cursor.fetchone()
    assert row is not None
    size: int = row[0]
    return size
