"""The type PipelineStatus: what the pipeline did lately, and where to watch it."""

from __future__ import annotations

from datetime import datetime

import strawberry
from strawberry import Private

from btcql.errors import QueryError
from database.readers import pipeline as reader
from database.readers.pipeline import LoadFacts, PipelineFacts
from graphql_api.context import Context, Info, described

_MOST_LOADS = 1000
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

    @strawberry.field
    async def recent_loads(self, info: Info, first: int = 20) -> list[Load]:
        """Return the newest loads, newest first."""
        if not 1 <= first <= _MOST_LOADS:
            raise QueryError(
                "BAD_USER_INPUT", f"first: {first} is not a number of loads: give 1 to {_MOST_LOADS:,}"
            )
        return [Load.of(facts) for facts in await info.context.read(reader.fetch_loads, first)]


async def read_pipeline(context: Context) -> PipelineStatus:
    """Return how the pipeline stands."""
    return PipelineStatus(facts=await context.read(reader.fetch_pipeline))
