"""Which months of an exchange's bars to fetch: the plan of a backfill and of a daily refresh."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from btcql.calendar import SETTLING
from btcql.records import Timeframe
from etl.fetching import REVISED, FetchMonth, RecheckMonth, covered_through
from etl.sources.venue import VENUES
from lake.path import Partition
from lake.store import Lake


@dataclass(frozen=True)
class Series:
    """One exchange's bars of one symbol and timeframe."""

    source: str
    symbol: str
    timeframe: Timeframe


@dataclass(frozen=True)
class Stretch:
    """The whole months of a series from `first` (its first day) to where the day `through` begins."""

    series: Series
    first: date
    through: date

    def fetch(self, places: dict[str, Any]) -> FetchMonth:
        """Return the task of the last month, which requires those before it."""
        return self._task(places, _month(self.through - timedelta(days=1)))

    def begun(self, places: dict[str, Any]) -> bool:
        """Whether the first month is fetched already."""
        return self._task(places, self.first).complete()

    def missing(self, places: dict[str, Any]) -> int:
        """Return how many months a run would fetch: those after the newest that is complete."""
        count, month = 0, _month(self.through - timedelta(days=1))
        while month >= self.first and not self._task(places, month).complete():
            count, month = count + 1, _month(month - timedelta(days=1))
        return count

    def recheck(self, lake: Lake, places: dict[str, Any]) -> RecheckMonth | None:
        """Return the second look at the month before, while exchanges may still correct its last days."""
        month = _month(self.through - REVISED)
        series = self.series
        if month == _month(self.through - timedelta(days=1)):
            return None  # its own fetch looks back so far
        partition = Partition(series.source, series.symbol, series.timeframe, month)
        if covered_through(lake.manifest(partition), partition.start) == partition.start:
            return None
        return RecheckMonth(**places, **self._names(), month=month, on=self.through)

    def _task(self, places: dict[str, Any], month: date) -> FetchMonth:
        following = _month(month + timedelta(days=31))
        through = min(self.through, following)
        return FetchMonth(**places, **self._names(), month=month, through=through, first=self.first)

    def _names(self) -> dict[str, str]:
        series = self.series
        return {"source": series.source, "symbol": series.symbol, "timeframe": series.timeframe.value}


def last_closed(now: datetime) -> date:
    """Return the day at whose beginning the last closed day ended: a day closes 35 minutes after its end."""
    return (now - timedelta(microseconds=SETTLING)).date()


def fetched_series(lake: Lake, symbol: str) -> Iterator[tuple[Series, date]]:
    """Yield each series of a market that was fetched from an exchange, with its newest month so fetched."""
    seen = set()
    for partition in reversed(lake.partitions(symbol)):
        series = Series(partition.source, symbol, partition.timeframe)
        if partition.source in VENUES and series not in seen:
            manifest = lake.manifest(partition)
            if manifest and any(file.fetched for file in manifest.files):
                seen.add(series)
                yield series, partition.month


def _month(day: date) -> date:
    return day.replace(day=1)
