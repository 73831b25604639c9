"""The type Subscription: bars as they are complete, forecasts as they are issued.

Each subscription keeps its own place in the data and asks for what comes after it whenever it is woken, as
fast as its client takes it. So nothing is missed while the database or its notices are away, nothing is sent
twice, and a slow client makes nothing pile up here.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime
from typing import TypeVar

import strawberry

from btcql import calendar
from btcql.errors import DatabaseUnavailableError, QueryError
from btcql.records import DEFAULT_SYMBOL, Interval
from database.readers import bars as bar_reader
from database.readers import feed as reader
from database.readers import markets as market_reader
from database.readers.markets import MarketFacts
from graphql_api.context import Context, Info, subscribed
from graphql_api.feed import Feed, Wakening
from graphql_api.forecasts import MAX_HORIZON, Forecast, show_vintage
from graphql_api.market import read_market
from graphql_api.ranges import MAX_POINTS, complete_stop
from graphql_api.scalars import format_datetime
from graphql_api.series import Candle

T = TypeVar("T")

_CHUNK = 500  # bars that are read at a time
_AGGREGATED = (Interval.HOUR, Interval.FOUR_HOURS, Interval.DAY, Interval.WEEK, Interval.MONTH)
_BEGINNING = datetime(1, 1, 1, tzinfo=UTC)


@strawberry.type
class Subscription:
    """What is told as it happens."""

    @subscribed(
        "Each bar as it is loaded and complete, once and in order; bars that do not exist are left out, "
        "and one that is corrected later is not sent again. `after` is the start of the last bar that "
        "the client has: those after it come first, at most 10,000."
    )
    async def bar_closed(
        self,
        info: Info,
        symbol: str = DEFAULT_SYMBOL,
        interval: Interval = Interval.DAY,
        after: datetime | None = strawberry.UNSET,
    ) -> AsyncGenerator[Candle, None]:
        """Yield each bar."""
        context, feed = info.context, _feed(info.context)
        facts = (await read_market(context, symbol)).facts
        place = _first_place(facts, interval, after or None, feed.now())
        made_up = facts.synthetic

        async def look() -> AsyncGenerator[Candle, None]:
            nonlocal place, made_up
            facts = await context.read(market_reader.fetch_market, symbol)
            if facts is None:
                return
            context.extent.note_market(facts)
            if made_up and not facts.synthetic:  # real bars have taken its place, and may end long before
                place, made_up = complete_stop(facts, interval, feed.now()), False
            async for bar, candle in _closed(context, facts, interval, place):
                place = bar + 1
                if candle is not None:
                    yield candle

        with feed.follow(symbol) as wakening:
            async for candle in _repeated(look, wakening):
                yield candle

    @subscribed(
        "Each forecast as it is issued, in order. `after` is the `issuedAt` of the last one that the "
        "client has: those issued after it come first."
    )
    async def forecast_issued(
        self, info: Info, symbol: str = DEFAULT_SYMBOL, after: datetime | None = strawberry.UNSET
    ) -> AsyncGenerator[Forecast, None]:
        """Yield each forecast."""
        context, feed = info.context, _feed(info.context)
        await read_market(context, symbol)
        newest = 0 if after else await context.read(reader.fetch_newest_forecast, symbol)

        async def look() -> AsyncGenerator[Forecast, None]:
            nonlocal newest
            while found := await context.read(reader.fetch_issued_after, symbol, newest, after or _BEGINNING):
                for vintage in found:
                    facts = await context.read(market_reader.fetch_market, symbol)
                    if facts is not None:
                        context.extent.note_market(facts)
                        now = replace(context, now=feed.now())
                        horizon = min(MAX_HORIZON, vintage.horizons)
                        yield await show_vintage(now, facts, vintage, horizon, newest=True)
                    newest = vintage.forecast_id

        with feed.follow(symbol) as wakening:
            async for forecast in _repeated(look, wakening):
                yield forecast


def _feed(context: Context) -> Feed:
    assert context.feed is not None  # whoever may subscribe has one
    return context.feed


def _first_place(facts: MarketFacts, interval: Interval, after: datetime | None, now: int) -> int:
    """Return the number of the first bar to send: the one after `after`, or the next to be complete.

    Raises QueryError (RANGE_TOO_LARGE) when more than MAX_POINTS would come at once.
    """
    stop = complete_stop(facts, interval, now)
    if after is None:
        return stop
    first = calendar.number(facts.first, interval)
    place = max(first, calendar.number(calendar.microseconds(after), interval) + 1)
    if stop - place > MAX_POINTS:
        raise QueryError(
            "RANGE_TOO_LARGE",
            f"{stop - place} bars of {interval} have come after {format_datetime(after)}, more than "
            f"{MAX_POINTS}: ask for them by `candles`, then subscribe after the last of them",
            maxPoints=MAX_POINTS,
        )
    return place


async def _closed(
    context: Context, facts: MarketFacts, interval: Interval, place: int
) -> AsyncGenerator[tuple[int, Candle | None], None]:
    """Yield the complete bars from `place` on, each with its number; None: there is none up to that number.

    Hours and longer are read as far as the aggregates are refreshed. `facts` were read before: a load that
    they have is then either refreshed or known to be pending.
    """
    stop = complete_stop(facts, interval, _feed(context).now())
    place = max(place, calendar.number(facts.first, interval))
    while place < stop:
        start, end = calendar.start_of(place, interval), min(stop, place + _CHUNK)
        if interval in _AGGREGATED:
            pending = await context.read(reader.fetch_pending, facts.symbol, start)
            if pending is not None:
                end = min(end, calendar.number(max(pending, start), interval))
        if end <= place:
            return
        bars = await context.read(
            bar_reader.fetch_bars, facts.symbol, interval, start, calendar.start_of(end, interval)
        )
        for number, candle in zip(
            calendar.numbers(bars.start, interval).tolist(), _candles(bars), strict=True
        ):
            yield number, candle
        yield end - 1, None
        place = end


def _candles(bars: bar_reader.Bars) -> list[Candle]:
    columns = [bars.columns[name].tolist() for name in bar_reader.COLUMNS]
    return [
        Candle(
            start=calendar.to_datetime(start),
            open=open_,
            high=high,
            low=low,
            close=close,
            volume=volume,
            observed=observed,
            complete=True,
            filled=False,
        )
        for start, open_, high, low, close, volume, observed in zip(
            bars.start.tolist(), *columns, strict=True
        )
    ]


async def _repeated(
    look: Callable[[], AsyncGenerator[T, None]], wakening: Wakening
) -> AsyncGenerator[T, None]:
    """Yield what `look` finds, whenever there may be something; a database that is away is waited for."""
    while True:
        wakening.begin()
        try:
            async with aclosing(look()) as found:
                async for item in found:
                    yield item
        except DatabaseUnavailableError:
            await wakening.wait_for_database()
        else:
            await wakening.wait()
