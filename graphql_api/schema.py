"""The schema; `python -m graphql_api.schema` writes it beside this file, for people and for a test."""

from __future__ import annotations

from collections.abc import Awaitable
from pathlib import Path

import strawberry
from strawberry.schema.config import StrawberryConfig

from btcql import __version__
from btcql.records import DEFAULT_SYMBOL
from database.readers import markets as reader
from graphql_api.context import Info, described, typed
from graphql_api.directness import make_direct
from graphql_api.market import Market, find_market, read_markets
from graphql_api.pipeline import PipelineStatus, read_pipeline
from graphql_api.scalars import SCALARS
from graphql_api.subscriptions import Subscription
from graphql_api.types import ServerInfo

PRINTED = Path(__file__).with_name("schema.graphql")


@strawberry.type
class Query:
    """What can be asked."""

    @described("Every market with data, by symbol.")
    async def markets(self, info: Info) -> list[Market]:
        """Return every market."""
        return await read_markets(info.context)

    @typed(Market)
    def market(self, info: Info, symbol: str = DEFAULT_SYMBOL) -> Market | Awaitable[Market]:
        """Return one market."""
        return find_market(info.context, symbol)

    @strawberry.field
    async def pipeline(self, info: Info) -> PipelineStatus:
        """Return how the pipeline stands."""
        return await read_pipeline(info.context)

    @strawberry.field
    async def server(self, info: Info) -> ServerInfo:
        """Return what answers."""
        found = await info.context.read(reader.fetch_server)
        return ServerInfo(
            version=__version__,
            database=f"PostgreSQL {found.version}",
            timescaledb=found.timescaledb,
            edition=found.edition,
            continuous_aggregates=found.continuous_aggregates,
        )


schema = strawberry.Schema(
    query=Query, subscription=Subscription, config=StrawberryConfig(scalar_map=SCALARS)
)
make_direct(schema)


def printed() -> str:
    """Return the schema in the schema language."""
    return schema.as_str() + "\n"


if __name__ == "__main__":
    PRINTED.write_text(printed(), encoding="utf-8")
