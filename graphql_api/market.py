"""The type Market: its facts, and the fields that questions are asked of."""

from __future__ import annotations

from collections.abc import Awaitable
from datetime import date, datetime

import strawberry
from strawberry import Private

from btcql.errors import QueryError, SettingError
from btcql.records import AverageKind, Interval, check_symbol
from database.readers import markets as reader
from database.readers.markets import MarketFacts
from database.readers.pipeline import fetch_next_refresh
from graphql_api.context import Context, Info, described
from graphql_api.forecasts import Forecast, read_forecast
from graphql_api.inputs import Fill, RangeInput
from graphql_api.movement import read_movement
from graphql_api.resolvers import read_candles, read_moving_average, read_price
from graphql_api.scores import ForecastScore, read_score
from graphql_api.series import CandleSeries, MovingAverageSeries
from graphql_api.types import Freshness, Movement, Price


@strawberry.type
class Market:
    """A pair of currencies that prices are known of."""

    facts: Private[MarketFacts]

    @strawberry.field
    def symbol(self) -> str:
        """Return BASE-QUOTE."""
        return self.facts.symbol

    @strawberry.field
    def base(self) -> str:
        """Return the currency that is priced."""
        return self.facts.symbol.partition("-")[0]

    @strawberry.field
    def quote(self) -> str:
        """Return the currency of the prices."""
        return self.facts.symbol.partition("-")[2]

    @described(
        "Where its bars come from: bitstamp, coinbase, binance, file:<name>, "
        "or synthetic (made-up sample data)."
    )
    def sources(self) -> list[str]:
        """Return the sources of all its loads."""
        return list(self.facts.sources)

    @strawberry.field
    def synthetic(self) -> bool:
        """Return whether all of it is made up."""
        return self.facts.synthetic

    @strawberry.field
    async def freshness(self, info: Info) -> Freshness:
        """Return how far its bars reach, and when more are to come."""
        next_at = await info.context.read(fetch_next_refresh, self.facts.symbol)
        return Freshness.of(self.facts, info.context.now, next_at)

    @described("The last price at or before `at` (default: the newest).")
    async def price(self, info: Info, at: datetime | None = strawberry.UNSET) -> Price:
        """Return the newest price that was known at an instant."""
        return await read_price(info.context, self.facts, at or None)

    @described("How the price moved over a range: last week, last month, any two dates.")
    async def movement(self, info: Info, range: RangeInput) -> Movement:  # noqa: A002 - the contract's name
        """Return the movement."""
        return await read_movement(info.context, self.facts, range)

    @described("maxPoints: at most so many of the bars, those that the shape is made of (1 to 10000).")
    async def candles(
        self,
        info: Info,
        range: RangeInput,  # noqa: A002 - the contract's name
        interval: Interval = Interval.DAY,
        fill: Fill = Fill.NULL,
        include_incomplete: bool = False,
        max_points: int | None = strawberry.UNSET,
    ) -> CandleSeries:
        """Return the bars of a range."""
        return await read_candles(
            info.context,
            self.facts,
            range,
            interval,
            fill,
            None if max_points is strawberry.UNSET else max_points,
            include_incomplete=include_incomplete,
        )

    @described(
        "Trailing average over `window` bars of `interval`, the bar itself included; reads the "
        "window-1 bars before the range, so that a shared point never changes with `from`."
    )
    async def moving_average(
        self,
        info: Info,
        range: RangeInput,  # noqa: A002 - the contract's name
        window: int,
        kind: AverageKind = AverageKind.SIMPLE,
        interval: Interval = Interval.DAY,
    ) -> MovingAverageSeries:
        """Return the moving average over a range."""
        return await read_moving_average(info.context, self.facts, range, window, kind, interval)

    @described(
        "The newest forecast based on closed days up to and including `asOf` (default: the newest of "
        "all). Old forecasts are kept, never overwritten."
    )
    async def forecast(
        self, info: Info, as_of: date | None = strawberry.UNSET, horizon: int = 15
    ) -> Forecast:
        """Return a forecast."""
        return await read_forecast(info.context, self.facts, as_of or None, horizon)

    @described(
        "How past forecasts did, by horizon, against the baseline; retrospective ones (computed after "
        "the fact) count only when asked."
    )
    async def forecast_score(
        self,
        info: Info,
        range: RangeInput | None = strawberry.UNSET,  # noqa: A002 - the contract's name
        include_retrospective: bool = False,
    ) -> ForecastScore:
        """Return the record of past forecasts."""
        return await read_score(
            info.context, self.facts, range or None, include_retrospective=include_retrospective
        )


def find_market(context: Context, symbol: str) -> Market | Awaitable[Market]:
    """Return one market, at once if it is known from before; raises as `read_market` does."""
    facts = context.remembered(symbol)
    return read_market(context, symbol) if facts is None else Market(facts=facts)


async def read_market(context: Context, symbol: str) -> Market:
    """Return one market; raises QueryError (MARKET_NOT_FOUND) naming those that exist."""
    try:
        facts = await context.market_facts(check_symbol(symbol))
        problem = "has no data"
    except SettingError:
        facts, problem = None, "is not of the form BASE-QUOTE in capitals, such as BTC-USD"
    if facts is None:
        existing = [found.symbol for found in await context.read(reader.fetch_markets)]
        listed = f"the markets are {', '.join(existing)}" if existing else "no market has been loaded yet"
        raise QueryError("MARKET_NOT_FOUND", f"market {symbol!r} {problem}: {listed}", markets=existing)
    return Market(facts=facts)


async def read_markets(context: Context) -> list[Market]:
    """Return every market with data, by symbol; raises QueryError (QUERY_TOO_COMPLEX) for too many."""
    found = await context.read(reader.fetch_markets)
    if context.cost:
        context.cost.check(len(found))
    for facts in found:
        context.extent.note_market(facts)
    return [Market(facts=facts) for facts in found]
