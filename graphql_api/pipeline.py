"""The type PipelineStatus: what the pipeline did lately, and where to watch it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TypeVar

import strawberry
from strawberry import Private

from btcql.errors import QueryError
from database.pool import Connection
from database.quality import QualityWarning as StoredWarning
from database.readers import pipeline as reader
from database.readers.pipeline import LoadFacts, PipelineFacts, RunFacts
from graphql_api.context import Context, Info, described

_MOST = 1000  # of a list
T = TypeVar("T")
# Of several markets, the one that most needs a look; a pipeline that never ran is idle.
_ORDER = ("running", "failed", "interrupted", "succeeded")


@strawberry.type(description="One partition loaded from the lake: the lineage from a bar to its raw object.")
class Load:
    """A raw object, and the month of bars that was loaded from it."""

    symbol: str
    source: str
    from_: datetime = strawberry.field(name="from")
    to: datetime
    rows: int = strawberry.field(description="Of the month as it was loaded, from all of its raw objects.")
    loaded_at: datetime
    raw_object: str
    sha256: str

    @classmethod
    def of(cls, facts: LoadFacts) -> Load:
        """Return the load."""
        return cls(
            symbol=facts.symbol,
            source=facts.source,
            from_=facts.first,
            to=facts.through,
            rows=facts.rows,
            loaded_at=facts.loaded_at,
            raw_object=facts.raw_object,
            sha256=facts.sha256,
        )


@strawberry.type(description="One run of a market's refresh or import.")
class PipelineRun:
    """A run as it was recorded."""

    symbol: str
    task: str = strawberry.field(description="refresh or import.")
    state: str = strawberry.field(description="running, succeeded, failed or interrupted.")
    started_at: datetime
    ended_at: datetime | None
    rows: int = strawberry.field(description="Written or removed.")

    @classmethod
    def of(cls, facts: RunFacts) -> PipelineRun:
        """Return the run."""
        return cls(
            symbol=facts.market,
            task=facts.task,
            state=facts.state,
            started_at=facts.started_at,
            ended_at=facts.ended_at,
            rows=facts.rows,
        )


@strawberry.type(
    description="A stretch of the loaded bars, [from, to), that is odd, for a person to look at."
)
class QualityWarning:
    """What a month's checks found."""

    symbol: str
    kind: str
    source: str
    from_: datetime = strawberry.field(name="from")
    to: datetime
    bars: int = strawberry.field(description="How many of it are odd or missing.")
    message: str

    @classmethod
    def of(cls, symbol: str, found: StoredWarning) -> QualityWarning:
        """Return the warning."""
        return cls(
            symbol=symbol,
            kind=found.kind,
            source=found.source,
            from_=found.from_at,
            to=found.to_at,
            bars=found.bars,
            message=found.message,
        )


@strawberry.type
class PipelineStatus:
    """How the pipeline stands."""

    facts: Private[PipelineFacts]

    @strawberry.field
    def last_run_at(self) -> datetime | None:
        """Return when the newest run of any market began."""
        return self.facts.last_run_at

    @strawberry.field
    def last_success_at(self) -> datetime | None:
        """Return when the newest successful run ended."""
        return self.facts.last_success_at

    @described("running, failed, interrupted or succeeded: the markets' newest runs; idle: none ran yet.")
    def state(self) -> str:
        """Return the state that most needs a look."""
        return next((state for state in _ORDER if state in self.facts.states), "idle")

    @described("Luigi's own pages of the tasks, as the machine of the API knows them.")
    def visualiser_url(self, info: Info) -> str | None:
        """Return the visualiser's address."""
        return info.context.visualiser_url

    @described("The newest run's first, and of each run the newest months first.")
    async def recent_loads(self, info: Info, first: int = 20) -> list[Load]:
        """Return the newest loads."""
        return [Load.of(facts) for facts in await _newest(info, reader.fetch_loads, first, "loads")]

    @strawberry.field
    async def recent_runs(self, info: Info, first: int = 20) -> list[PipelineRun]:
        """Return the newest runs of all markets, newest first."""
        return [PipelineRun.of(facts) for facts in await _newest(info, reader.fetch_runs, first, "runs")]

    @strawberry.field
    async def quality_warnings(self, info: Info, first: int = 20) -> list[QualityWarning]:
        """Return what is odd about the loaded bars, the newest stretches first."""
        found = await _newest(info, reader.fetch_quality_warnings, first, "warnings")
        return [QualityWarning.of(symbol, warning) for symbol, warning in found]


async def _newest(
    info: Info, fetch: Callable[[Connection, int], Awaitable[list[T]]], first: int, what: str
) -> list[T]:
    """Return what `fetch` reads; raises QueryError for a number that is none."""
    if not 1 <= first <= _MOST:
        raise QueryError("BAD_USER_INPUT", f"first: {first} is not a number of {what}: give 1 to {_MOST:,}")
    return await info.context.read(fetch, first)


async def read_pipeline(context: Context) -> PipelineStatus:
    """Return how the pipeline stands."""
    return PipelineStatus(facts=await context.read(reader.fetch_pipeline))
