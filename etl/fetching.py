"""Tasks that fetch from an exchange into the lake, month by month."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from functools import cache

import luigi

from btcql.errors import SourceError
from btcql.records import Timeframe
from etl.sources.client import Client
from etl.sources.exchange import Exchange, Fetched
from etl.sources.patience import Patience
from etl.sources.venue import venue
from etl.task import NOTICE, PROGRESS, PipelineTask
from lake.document import stamped
from lake.manifest import Manifest
from lake.path import Partition
from lake.receipt import Receipt

REVISED = timedelta(days=3)  # exchanges correct bars for so long after their day


@cache
def exchange(name: str, base_url: str, patience_seconds: int, process: int) -> Exchange:  # noqa: ARG001 - each its own connections
    """Return this process's client of an exchange: its list of markets is read once."""
    return Exchange(Client(venue(name), Patience(patience_seconds), base_url=base_url))


def covered_through(manifest: Manifest | None, start: datetime) -> datetime:
    """Return up to where fetches have asked for every bar from `start` on; `start` if none did.

    By the requests, not by the manifest's own reach: files of the same source may leave days out.
    """
    asked = sorted(
        (datetime.fromisoformat(file.request["from"]), datetime.fromisoformat(file.request["to"]))
        for file in (manifest.files if manifest else ())
        if "exchange" in file.request
    )
    reach = start
    for begin, end in asked:
        reach = max(reach, end) if begin <= reach else reach
    return reach


class ExchangeTask(PipelineTask):
    """A stretch of one month of an exchange's bars of one symbol and timeframe."""

    source = luigi.Parameter(description="bitstamp, coinbase, kraken or binance")
    symbol = luigi.Parameter(description="the market, as BASE-QUOTE")
    timeframe = luigi.Parameter(description="1m, 1h or 1d")
    month = luigi.MonthParameter(description="a calendar month in UTC")

    @property
    def priority(self) -> int:  # type: ignore[override]
        """Oldest months first, so that what is fetched has no holes."""
        return -(self.month.year * 12 + self.month.month)

    @property
    def exchange(self) -> Exchange:
        """The exchange, with this run's settings."""
        return exchange(self.source, self.exchange_url, self.exchange_patience, os.getpid())

    @property
    def partition(self) -> Partition:
        """Where the bars go."""
        return Partition(self.source, self.symbol, Timeframe(self.timeframe), self.month)

    def fetch(self, start: datetime, end: datetime) -> Fetched:
        """Fetch and publish [start, end); SourceError if that is not over yet by the exchange's clock."""
        fetched = self.exchange.fetch(self.symbol, Timeframe(self.timeframe), start, end, self._tell)
        if fetched.now < end:
            raise SourceError(
                f"{self.source}'s clock says {fetched.now:%Y-%m-%dT%H:%MZ}, when {end:%Y-%m-%dT%H:%MZ} is "
                f"still to come: set this machine's clock, which says {datetime.now(UTC):%Y-%m-%dT%H:%MZ}"
            )
        if fetched.table.num_rows:
            self.lake.publish(
                self.partition,
                fetched.table,
                request={
                    "exchange": self.source,
                    "symbol": self.exchange.market(self.symbol),
                    "timeframe": self.timeframe,
                    "from": stamped(start),
                    "to": stamped(end),
                    "pages": fetched.pages,
                },
                complete_through=end,
                fetched_at=datetime.now(UTC),
            )
        self.say("\n".join([f"{fetched.table.num_rows:,} bars in {fetched.pages} answers", *fetched.notices]))
        self.trigger_event(NOTICE, self, fetched.notices)
        return fetched

    def has_receipt(self, **about: str) -> bool:
        """Whether a fetch left a receipt that says `about`."""
        partition = self.partition
        sha256 = self._receipt_sha256(about)
        return self.lake.receipt(sha256, self.symbol, self.source, partition.timeframe) is not None

    def write_receipt(self, fetched: Fetched, **about: str) -> None:
        """Mark a fetch as done where the manifest cannot: it found no bars, or none that were new."""
        partition = self.partition
        known = self.lake.manifest(partition) is not None
        self.lake.write_receipt(
            Receipt(
                sha256=self._receipt_sha256(about),
                symbol=self.symbol,
                source=self.source,
                timeframe=partition.timeframe,
                name=f"fetch of {stamped(fetched.start)} to {stamped(fetched.end)}",
                rows=fetched.table.num_rows,
                complete_through=fetched.end,
                landed_at=datetime.now(UTC),
                partitions=(partition,) if known else (),
            )
        )

    def _receipt_sha256(self, about: dict[str, str]) -> str:
        return hashlib.sha256(json.dumps([self.partition.folder, sorted(about.items())]).encode()).hexdigest()

    def _tell(self, share: float) -> None:
        self.progress(int(100 * share), 100)
        self.trigger_event(PROGRESS, self, share)


class FetchMonth(ExchangeTask):
    """A month of an exchange's bars up to a day, with the last three days before it once more.

    The months follow each other, so that an exchange that fails ends the run at once and leaves no hole.
    """

    through = luigi.DateParameter(description="the bars end where this day begins, or with the month")
    first = luigi.MonthParameter(significant=False, description="the first month of the run")

    @classmethod
    def bulk_complete(cls, months: Iterable[date]) -> list[date]:
        """Return those of `months` that are fetched; `cls` brings the other parameters, as in ranges."""
        build: Callable[..., FetchMonth] = cls
        return [month for month in months if build(month=month).complete()]

    @property
    def _end(self) -> datetime:
        day = self.through
        return min(datetime(day.year, day.month, day.day, tzinfo=UTC), self.partition.end)

    def requires(self) -> list[FetchMonth]:
        """The month before."""
        if self.month <= self.first:
            return []
        before = (self.month - timedelta(days=1)).replace(day=1)
        return [self.clone(FetchMonth, month=before, through=self.month)]

    def complete(self) -> bool:
        """Whether all was asked for, up to the day."""
        start, end = self.partition.start, self._end
        known = self.lake.manifest(self.partition)
        return covered_through(known, start) >= end or self.has_receipt(through=stamped(end))

    def run(self) -> None:
        """Fetch from where the last fetch ended, or three days before."""
        known = self.lake.manifest(self.partition)
        fetched = self.fetch(self._start(known), self._end)
        if covered_through(self.lake.manifest(self.partition), self.partition.start) < self._end:
            self.write_receipt(fetched, through=stamped(self._end))

    def _start(self, known: Manifest | None) -> datetime:
        start = covered_through(known, self.partition.start)
        if known and start > self.partition.start:
            newest = max(file.last_ts for file in known.files)
            # an exchange that gave nothing for days may have it now
            start = min(start, self._end - REVISED, newest.replace(hour=0, minute=0))
        return max(start, self.partition.start)


class RecheckMonth(ExchangeTask):
    """The last days of a month that has ended, once more on a day, for what the exchange corrected since."""

    on = luigi.DateParameter(description="the three days before this one are fetched")

    def requires(self) -> FetchMonth:
        """The month itself."""
        return self.clone(FetchMonth, through=self.partition.end.date(), first=self.month)  # type: ignore[no-any-return]

    def complete(self) -> bool:
        """Whether this day's look has its receipt."""
        return self.has_receipt(on=self.on.isoformat())

    def run(self) -> None:
        """Fetch, and write the receipt whether or not anything changed."""
        start = datetime(self.on.year, self.on.month, self.on.day, tzinfo=UTC) - REVISED
        self.write_receipt(self.fetch(start, self.partition.end), on=self.on.isoformat())
