"""What every resolver is given."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Concatenate, ParamSpec, TypeAlias, TypeVar

import strawberry

from database.pool import Connection, Reads
from database.readers.markets import MarketFacts, fetch_market
from graphql_api.auth import ANYBODY, Client
from graphql_api.cost import Cost
from graphql_api.feed import Feed
from graphql_api.lifetime import Extent
from graphql_api.tracing import Tracing

P = ParamSpec("P")
R = TypeVar("R")
Resolver = TypeVar("Resolver", bound=Callable[..., object])


@dataclass(eq=False, slots=True)
class Context:
    """One request: the database, and the instant (epoch microseconds) that it takes for now throughout.

    extent: what its resolvers found out about how long the answer stands; facts: of markets, known from
    before to be of the version that the answer is of; words: of the document, if there is one.
    """

    pool: Reads
    now: int
    visualiser_url: str | None = None
    client: Client = ANYBODY
    cost: Cost | None = None
    tracing: Tracing | None = None
    feed: Feed | None = None
    extent: Extent = field(default_factory=Extent)
    facts: Mapping[str, MarketFacts] = field(default_factory=dict)
    words: Collection[str] | None = None

    def begin(self, pool: Reads, facts: Mapping[str, MarketFacts], words: Collection[str]) -> Extent:
        """Make it one for an answer that is begun now, of what `pool` reads; return the answer's extent."""
        self.pool, self.facts, self.words = pool, facts, words
        self.extent = Extent()
        return self.extent

    async def read(
        self, reader: Callable[Concatenate[Connection, P], Awaitable[R]], *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """Return what `reader` reads; raises what Pool.run raises."""
        self.extent.reads += 1
        if self.tracing is None:
            return await self.pool.run(reader, *args, **kwargs)
        with self.tracing.read(reader.__name__):
            return await self.pool.run(reader, *args, **kwargs)

    def selected(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """Return those of the fields `names` that the document may select, in their order.

        Each field that it selects is one of its words: a word more can only make more be read.
        """
        return names if self.words is None else tuple(filter(self.words.__contains__, names))

    def remembered(self, symbol: str) -> MarketFacts | None:
        """Return what is known of a market from before, None if nothing is."""
        facts = self.facts.get(symbol)
        if facts is not None:
            self.extent.remembered += 1
            self.extent.note_market(facts)
        return facts

    async def market_facts(self, symbol: str) -> MarketFacts | None:
        """Return what is known of a market, None if nothing is loaded of it; raises what Pool.run raises."""
        if (facts := self.remembered(symbol)) is not None:
            return facts
        facts = await self.read(fetch_market, symbol)
        if facts is not None:
            self.extent.facts[symbol] = facts
            self.extent.note_market(facts)
        return facts


Info: TypeAlias = strawberry.Info[Context, None]


def described(text: str) -> Callable[[Resolver], Resolver]:
    """Return strawberry's decorator of a field with a description; its own has no type."""
    decorator: Callable[[Resolver], Resolver] = strawberry.field(description=text)
    return decorator


def typed(kind: object) -> Callable[[Resolver], Resolver]:
    """Return strawberry's decorator of a field of type `kind`, where its resolver does not tell it."""
    decorator: Callable[[Resolver], Resolver] = strawberry.field(graphql_type=kind)
    return decorator


def subscribed(text: str) -> Callable[[Resolver], Resolver]:
    """Return strawberry's decorator of a subscription with a description."""
    decorator: Callable[[Resolver], Resolver] = strawberry.subscription(description=text)
    return decorator
