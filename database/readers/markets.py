"""What is known of the markets, and of the server that holds them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from btcql import calendar
from btcql.records import SYNTHETIC
from database.pool import Connection
from database.queries import query


@dataclass(frozen=True)
class MarketFacts:
    """A market by its loads: instants in epoch microseconds, sources sorted.

    first: where its first base bar begins; through: every bar that ended by then has been loaded.
    """

    symbol: str
    sources: tuple[str, ...]
    first: int
    through: int

    @property
    def synthetic(self) -> bool:
        """Whether all of it is made up."""
        return self.sources == (SYNTHETIC,)


@dataclass(frozen=True)
class ServerFacts:
    """The database server: its versions and the schema's edition (community, apache or plain)."""

    version: str
    timescaledb: str | None
    edition: str

    @property
    def continuous_aggregates(self) -> bool:
        """Whether continuous aggregates serve the hourly and daily bars (else rollup tables do)."""
        return self.edition == "community"


async def fetch_markets(connection: Connection) -> list[MarketFacts]:
    """Return every market with data, by symbol."""
    cursor = await connection.execute(query("fetch_markets"))
    return [_facts(*row) for row in await cursor.fetchall()]


async def fetch_market(connection: Connection, symbol: str) -> MarketFacts | None:
    """Return one market; None if nothing is loaded of it."""
    cursor = await connection.execute(query("fetch_market"), {"symbol": symbol})
    row = await cursor.fetchone()
    return None if row is None else _facts(*row)


async def fetch_server(connection: Connection) -> ServerFacts:
    """Return what the server is."""
    cursor = await connection.execute(query("read_capabilities"))
    row = await cursor.fetchone()
    assert row is not None
    _, version, timescaledb, edition = row
    return ServerFacts(version, timescaledb, edition)


async def check_answers(connection: Connection) -> None:
    """Ask the least that shows that the database answers and is migrated."""
    await connection.execute(query("fetch_readiness"))


def _facts(symbol: str, sources: list[str], first: datetime, through: datetime) -> MarketFacts:
    return MarketFacts(symbol, tuple(sources), calendar.microseconds(first), calendar.microseconds(through))
