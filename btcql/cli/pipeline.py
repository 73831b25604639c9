"""The pipeline as the commands use it: a database, a luigid, and runs that a person can follow."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from btcql.cli.archive import Archive, Selection
from btcql.cli.fetch import Fetcher, Order
from btcql.cli.progress import Stages, console, rows, stages
from btcql.errors import InputError, LakeError, SourceError, SourceUnavailableError
from btcql.records import DEFAULT_SOURCE, FIRST_DAY, SYNTHETIC, Timeframe
from btcql.settings import Settings
from database.connection import connected
from database.events import note_imported
from database.forecasts import read_newest_vintage
from database.lineage import read_months_loaded
from database.migrate import migrate
from database.runs import Run, Task, recorded
from database.server import opened
from database.turn import my_turn
from database.writers import read_markers
from etl.backfill import Series, fetched_series, last_closed
from etl.crew import Crew, crew
from etl.landing import LandFile, LandSample
from etl.luigid import Luigid
from etl.overruled import overruled
from etl.prepare.engine import choose_engine
from etl.prepare.month import month_inputs
from etl.run import run
from etl.sources.reach import why_unreachable
from etl.sources.sample import MINUTE_DAYS
from etl.sources.venue import venue
from etl.task import places
from etl.tasks import RefreshAggregates
from lake.original import file_sha256
from lake.receipt import Receipt
from lake.store import Lake
from ml.tasks import IssueForecast


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Pipeline:
    """A database and a luigid that run; each method returns when all that it names is complete.

    `now` tells the time: which days have closed.
    """

    settings: Settings
    database_url: str
    luigid: Luigid
    crew: Crew
    now: Callable[[], datetime] = _now

    def recorded(self, market: str, task: Task = "refresh") -> AbstractContextManager[Run]:
        """Record what is done in the block as a run of the market; its rows are to be set."""
        return recorded(self.database_url, market, task, self.now)

    def import_archives(self, selection: Selection) -> Stages:
        """Land each file, then bring their markets up to date; `selection` ends with what was landed.

        A file that is refused stops no other.
        """
        with self.turn(), stages() as seen:
            seen.expect("LandFile", len(selection.archives))
            landed: dict[str, list[Receipt]] = {}
            for archive in list(selection.archives):
                task = self._landing(archive)
                try:
                    run(task, self.luigid, seen, self.crew)
                except InputError as error:
                    selection.refuse(archive, error)
                else:
                    receipt = task.receipt()
                    landed.setdefault(archive.symbol, []).extend([receipt] if receipt else [])
            for symbol, receipts in sorted(landed.items()):
                with self.recorded(symbol, "import") as record:
                    before = rows(seen)
                    self._bring_up_to_date(symbol, seen)
                    record.rows = rows(seen) - before
                seen.overruled += self._overruled(symbol, receipts)
        return seen

    def _overruled(self, symbol: str, receipts: list[Receipt]) -> list[str]:
        months = {partition.month for receipt in receipts for partition in receipt.partitions}
        with connected(self.database_url) as connection:
            loaded = read_months_loaded(connection, symbol, months)
        return [str(found) for found in overruled(self.lake, receipts, loaded)]

    def _landing(self, archive: Archive) -> LandFile:
        return LandFile(
            **self._places(),
            name=archive.file.name,
            sha256=file_sha256(archive.file),
            symbol=archive.symbol,
            source=archive.source,
            timeframe=archive.timeframe.value if archive.timeframe else "",
            path=str(archive.file.absolute()),
        )

    def make_sample(self, symbol: str) -> Stages:
        """Land the made-up market up to today, then bring it up to date."""
        with self.turn(), stages() as seen:
            # While this run waited for its turn, real bars may have come.
            if {partition.source for partition in self.lake.walk(symbol)} <= {SYNTHETIC}:
                task = LandSample(**self._places(), symbol=symbol, through=self._today())
                run(task, self.luigid, seen, self.crew)
            self._bring_up_to_date(symbol, seen)
        return seen

    def ingest(self, order: Order) -> Stages:
        """Fetch what the lake lacks of the order, then bring the market up to date.

        Raises SourceError where the exchange cannot give it; what came before is kept, and served.
        """
        with self.turn(), stages() as seen:
            try:
                self._fetcher.fill(order, seen)
            except SourceUnavailableError:
                if any(self.lake.walk(order.series.symbol)):
                    self._bring_up_to_date(order.series.symbol, seen)
                raise
            self._bring_up_to_date(order.series.symbol, seen)
        return seen

    def require_reachable(self, source: str) -> None:
        """Raise SourceUnavailableError, within seconds, where the exchange cannot be reached at all."""
        why = why_unreachable(venue(source), self.settings.exchange_url)
        if why:
            raise SourceUnavailableError(f"{source} cannot be reached: {why}")

    def begin(self, symbol: str) -> list[Stages]:
        """Take real prices: hours since 2012, then minutes of the months that hold the last thirty days.

        Raises SourceUnavailableError, within seconds where the exchange cannot be reached at all.
        """
        closed = last_closed(self.now())
        self.require_reachable(DEFAULT_SOURCE)
        have = {series.timeframe for series, _ in fetched_series(self.lake, symbol)}
        done = [self.refresh(symbol)] if have else []
        for timeframe, first in (
            (Timeframe.HOUR, FIRST_DAY),
            (Timeframe.MINUTE, closed - timedelta(days=MINUTE_DAYS)),
        ):
            if timeframe not in have:
                series = Series(DEFAULT_SOURCE, symbol, timeframe)
                done.append(self.ingest(Order(series, first, self._today())))
        return done

    def is_begun(self, symbol: str) -> bool:
        """Whether the market has real bars, and more of them than the first half of what `begin` takes."""
        have = {(partition.source, partition.timeframe) for partition in self.lake.walk(symbol)}
        real = {(source, timeframe) for source, timeframe in have if source != SYNTHETIC}
        fetched = [series for series, _ in fetched_series(self.lake, symbol)]
        return bool(real) and not (real == {(DEFAULT_SOURCE, Timeframe.HOUR)} and fetched)

    def refresh(self, symbol: str) -> Stages:
        """Fetch what is new, then bring the market up to date with the lake (a made-up one: to today).

        What one exchange does not give keeps nothing else from being brought up to date; its SourceError is
        raised at the end.
        """
        sources = {partition.source for partition in self.lake.walk(symbol)}
        if not sources:
            raise LakeError(
                f"the lake {self.settings.lake} has no bars of {symbol}: btcql import FILE --symbol {symbol}"
            )
        if sources == {SYNTHETIC}:
            return self.make_sample(symbol)
        failed: list[SourceError] = []
        with self.turn(), stages() as seen:
            followed = list(fetched_series(self.lake, symbol))
            if not followed:
                seen.say(f"{symbol} has files only, and is followed on no exchange: btcql ingest begins to")
                with connected(self.database_url) as connection:
                    note_imported(connection, symbol)
            for series, newest in followed:
                try:
                    self._fetcher.follow(series, newest, seen)
                except SourceError as error:
                    failed.append(error)
            self._bring_up_to_date(symbol, seen)
        if failed:
            raise failed[0]
        return seen

    def forecast(self, symbol: str, as_of: date) -> date:
        """Issue the market's forecast as of a day, and return the day that it is based on.

        Raises ForecastError where none can be made.
        """
        with self.turn(), stages() as seen:
            self._bring_up_to_date(symbol, seen, as_of=as_of, demanded=True)
        with connected(self.database_url) as connection:
            return read_newest_vintage(connection, symbol, as_of)

    def load_market(self, symbol: str, seen: Stages) -> None:
        """Bring the market's bars and aggregates up to date, without a forecast."""
        self._expect_months(symbol, seen)
        run(RefreshAggregates(**self._places(), symbol=symbol), self.luigid, seen, self.crew)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Hold the pipeline; what killed runs left half-written is nobody's then, and goes."""

        def wait() -> None:
            console.print("waiting for another btcql to end its run on this database")

        with my_turn(self.database_url, wait):
            shutil.rmtree(self._work, ignore_errors=True)
            self.lake.sweep()
            try:
                yield
            finally:
                self.crew.dismiss()  # before another run has its turn

    @property
    def lake(self) -> Lake:
        """The raw lake."""
        return Lake(self.settings.lake)

    @property
    def _fetcher(self) -> Fetcher:
        return Fetcher(self.settings, self.lake, self._places(), self.luigid, self.crew, self.now)

    def _bring_up_to_date(
        self, symbol: str, seen: Stages, *, as_of: date | None = None, demanded: bool = False
    ) -> None:
        self._expect_months(symbol, seen)
        task = IssueForecast(
            **self._places(),
            symbol=symbol,
            as_of=as_of or self._today() - timedelta(days=1),
            demanded=demanded,
        )
        run(task, self.luigid, seen, self.crew)

    def _expect_months(self, symbol: str, seen: Stages) -> None:
        waiting = self._waiting_months(symbol)
        if waiting:
            seen.expect("PrepareMonth", waiting)
            seen.expect("LoadMonth", waiting)

    def _waiting_months(self, symbol: str) -> int:
        with connected(self.database_url) as connection:
            loaded = read_markers(connection, symbol)
        wanted = month_inputs(self.lake, symbol)
        return sum(loaded.get(month) != sha256 for month, sha256 in wanted.items())

    @property
    def _work(self) -> Path:
        return self.settings.home / "work"

    def _places(self) -> dict[str, Any]:
        settings = self.settings
        return places(
            settings.lake,
            self.database_url,
            str(self._work),
            engine=settings.engine,
            spark_master=settings.spark_master,
            exchange_url=settings.exchange_url,
            exchange_patience=settings.exchange_patience,
        )

    def _today(self) -> date:
        return self.now().date()


@contextmanager
def migrated(settings: Settings) -> Iterator[str]:
    """Yield the address of the database, running and with its schema up to date."""
    with opened(settings) as url:
        for name in migrate(url):
            console.print(f"migrated the database: {name}")
        yield url


@contextmanager
def pipeline(
    settings: Settings, opening: Callable[[Settings], AbstractContextManager[str]] = migrated
) -> Iterator[Pipeline]:
    """Start what the pipeline needs and does not run yet, and stop it afterwards."""
    choose_engine(settings.engine, settings.spark_master)  # what is not installed is said before all else
    luigid = Luigid(settings)
    told = luigid.url
    with opening(settings) as url, luigid.running() as used, crew(settings.workers) as members:
        if used != told:
            console.print(
                f"luigid runs at {used} already, which is used: "
                f"BTCQL_LUIGID_PORT={settings.luigid_port} is for when none runs in {settings.home}",
                soft_wrap=True,
            )
        yield Pipeline(settings, url, luigid, members)
