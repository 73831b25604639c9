"""Fetching a series from its exchange: all months of an order, or what is new since the last time."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from btcql.cli.progress import Stages
from btcql.errors import SettingError, SourceError
from btcql.settings import Settings
from etl.backfill import Series, Stretch, last_closed
from etl.crew import Crew
from etl.fetching import exchange
from etl.luigid import Luigid
from etl.run import run
from etl.sources.exchange import Exchange
from etl.sources.stamps import GENESIS
from lake.store import Lake


@dataclass(frozen=True)
class Order:
    """Bars to fetch: those of a series from the day `first` to the day `last`, both included."""

    series: Series
    first: date
    last: date


@dataclass(frozen=True)
class Fetcher:
    """Plans what to fetch and runs it; each method returns when the lake has it, or raises SourceError."""

    settings: Settings
    lake: Lake
    places: dict[str, Any]
    luigid: Luigid
    crew: Crew
    now: Callable[[], datetime]

    def fill(self, order: Order, seen: Stages) -> None:
        """Fetch the months of an order that the lake lacks; SettingError if none of its days has closed."""
        self._fetch(self._planned(order, seen), seen)

    def follow(self, series: Series, newest: date, seen: Stages) -> None:
        """Fetch a series on from its newest month, and say what the exchange gives no more."""
        oldest = self._exchange(series).oldest(series.timeframe, self.now())
        if oldest and oldest.date().replace(day=1) > newest:
            seen.say(f"{series.source} gives no bars of {series.timeframe} before {oldest:%Y-%m-%d} any more")
            newest = oldest.date().replace(day=1)
        self._fetch(Stretch(series, newest, last_closed(self.now())), seen)

    def _planned(self, order: Order, seen: Stages) -> Stretch:
        """Return the months of an order that the exchange can give, and say where they are fewer."""
        series, closed = order.series, last_closed(self.now())
        first, through = max(order.first, GENESIS.date()), min(order.last + timedelta(days=1), closed)
        if first >= through:
            raise SettingError(
                f"{first} to {order.last} has no closed day: the last one is {closed - timedelta(days=1)}"
            )
        stretch = Stretch(series, first.replace(day=1), through)
        if stretch.begun(self.places):
            return stretch
        source = self._exchange(series)
        oldest = source.oldest(series.timeframe, self.now())
        if oldest and oldest.date() > first:
            raise SourceError(
                f"{series.source} gives only its last {source.venue.keeps} bars of {series.timeframe}, "
                f"and no whole day before {oldest:%Y-%m-%d}: ask from that day on, or take older ones from "
                "another source"
            )
        begins = source.first_day(series.symbol, _midnight(first), _midnight(through))
        if begins is None:
            raise SourceError(
                f"{series.source} has no bars of {series.symbol} from {first} to {order.last}: "
                "ask for other days"
            )
        if begins.date() > first:
            seen.say(f"{series.symbol} begins on {begins:%Y-%m-%d} at {series.source}")
        return Stretch(series, begins.date().replace(day=1), through)

    def _fetch(self, stretch: Stretch, seen: Stages) -> None:
        missing = stretch.missing(self.places)
        if missing:
            seen.expect("FetchMonth", missing)
            run(stretch.fetch(self.places), self.luigid, seen, self.crew)
        again = stretch.recheck(self.lake, self.places)
        if again:
            run(again, self.luigid, seen, self.crew)

    def _exchange(self, series: Series) -> Exchange:
        settings = self.settings
        return exchange(series.source, settings.exchange_url, settings.exchange_patience, os.getpid())


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
