"""The pipeline's tasks: wiring only. Land -> prepare -> load -> aggregates; the forecast follows in ml.tasks.

A task is complete when its marker says so: the lake's receipt of a landed file, the database's `load` row
with the hash of the lake's input. A killed run therefore leaves nothing half-done that the next believes.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import Any

import luigi
from luigi.parameter import ParameterVisibility

from btcql.records import SYNTHETIC, Timeframe
from database.connection import Connection, Session
from database.writers import (
    aggregates_are_fresh,
    load_month,
    read_markers,
    read_sources,
    refresh_aggregates,
    remove_market,
)
from etl.prepare.month import month_inputs, month_partitions, prepare_month
from etl.prepared import read_prepared, write_prepared
from etl.sources.plain import read_bars
from etl.sources.sample import sample_bars, sample_sha256
from lake.path import Partition
from lake.receipt import Receipt
from lake.schema import by_month
from lake.store import Lake


@cache
def session(database_url: str) -> Session:
    """Return the session that this process's tasks share; `etl.run.run` closes it."""
    return Session(database_url)


class PipelineTask(luigi.Task):
    """What every task knows and no scheduler is told: where the data are (addresses may hold passwords)."""

    lake_root = luigi.Parameter(significant=False, visibility=ParameterVisibility.PRIVATE)
    database_url = luigi.Parameter(significant=False, visibility=ParameterVisibility.PRIVATE)
    work_path = luigi.Parameter(significant=False, visibility=ParameterVisibility.PRIVATE)

    @property
    def lake(self) -> Lake:
        """The raw lake."""
        return Lake(self.lake_root)

    def connected(self) -> AbstractContextManager[Connection]:
        """The run's connection to the database, in autocommit."""
        return session(self.database_url).connected()

    def say(self, message: str) -> None:
        """Show `message` beside the task in luigid's visualiser."""
        self.set_status_message(message)  # type: ignore[misc]  # set by the worker


class LandFile(PipelineTask):
    """A file of bars into the lake: checked whole, its own bytes kept, published month by month."""

    name = luigi.Parameter(description="the file's name")
    sha256 = luigi.Parameter(description="of the file's bytes")
    symbol = luigi.Parameter()
    source = luigi.Parameter()
    timeframe = luigi.Parameter(default="", description="1m, 1h or 1d; empty: found by the bars' spacing")
    path = luigi.Parameter(
        default="",
        significant=False,
        visibility=ParameterVisibility.PRIVATE,
        description="empty: the lake's own copy",
    )

    @property
    def _timeframe(self) -> Timeframe | None:
        return Timeframe(self.timeframe) if self.timeframe else None

    def complete(self) -> bool:
        """Whether the lake has the import's receipt."""
        return self.lake.receipt(self.sha256, self.symbol, self.source, self._timeframe) is not None

    def run(self) -> None:
        """Read, keep, publish, and only then write the receipt."""
        now = datetime.now(UTC)
        path = Path(self.path) if self.path else self.lake.original(self.sha256)
        bars = read_bars(path, self._timeframe, now)
        self.lake.keep_original(path, self.sha256)
        partitions = []
        for month, table in by_month(bars.table):
            partition = Partition(self.source, self.symbol, bars.timeframe, month)
            self.lake.publish(
                partition,
                table,
                request={key: self.param_kwargs[key] for key in ("name", "sha256", "timeframe")},
                complete_through=bars.complete_through,
                fetched_at=now,
            )
            partitions.append(partition)
        self.lake.write_receipt(
            Receipt(
                sha256=self.sha256,
                symbol=self.symbol,
                source=self.source,
                timeframe=bars.timeframe,
                name=self.name,
                rows=bars.table.num_rows,
                complete_through=bars.complete_through,
                landed_at=now,
                partitions=tuple(partitions),
            )
        )
        self.say("\n".join([f"{bars.table.num_rows:,} bars of {bars.timeframe}", *bars.notices]))
        self.trigger_event(NOTICE, self, bars.notices)


class LandSample(PipelineTask):
    """The made-up market into the lake, up to a day: hours of ten years, minutes of the last thirty days."""

    symbol = luigi.Parameter()
    through = luigi.DateParameter(description="the bars end where this day begins")

    def complete(self) -> bool:
        """Whether the lake has the receipts of both timeframes."""
        return all(
            self.lake.receipt(sample_sha256(self._through), self.symbol, SYNTHETIC, timeframe) is not None
            for timeframe in (Timeframe.HOUR, Timeframe.MINUTE)
        )

    @property
    def _through(self) -> datetime:
        return datetime(self.through.year, self.through.month, self.through.day, tzinfo=UTC)

    def run(self) -> None:
        """Make, publish, and only then write the receipts."""
        now = datetime.now(UTC)
        for timeframe, bars in sample_bars(self._through).items():
            partitions = []
            for month, table in by_month(bars):
                partition = Partition(SYNTHETIC, self.symbol, timeframe, month)
                request = {"sample_through": self.through.isoformat()}
                self.lake.publish(
                    partition, table, request=request, complete_through=self._through, fetched_at=now
                )
                partitions.append(partition)
            self.lake.write_receipt(
                Receipt(
                    sha256=sample_sha256(self._through),
                    symbol=self.symbol,
                    source=SYNTHETIC,
                    timeframe=timeframe,
                    name="made-up sample",
                    rows=bars.num_rows,
                    complete_through=self._through,
                    landed_at=now,
                    partitions=tuple(partitions),
                )
            )
        self.say("SYNTHETIC: made-up prices")


class MonthTask(PipelineTask):
    """A step of one market's month; the input's hash makes a corrected month another task."""

    symbol = luigi.Parameter()
    month = luigi.MonthParameter()
    input_sha256 = luigi.Parameter(description="of all that the lake has of the month")

    @property
    def prepared_path(self) -> Path:
        """Where the prepared month waits for its load."""
        folder = Path(self.work_path) / "prepared" / self.symbol
        return folder / f"{self.month:%Y-%m}-{self.input_sha256}.parquet"


class PrepareMonth(MonthTask):
    """The best bars of each day of a month, chosen in SQL from all that the lake has."""

    def output(self) -> luigi.LocalTarget:
        """The prepared month; it is removed once it is loaded."""
        return luigi.LocalTarget(self.prepared_path)

    def requires(self) -> list[PipelineTask]:
        """What landed the month's files."""
        landed = {}
        for partition in month_partitions(self.lake, self.symbol, self.month):
            manifest = self.lake.manifest(partition)
            for file in manifest.files if manifest else ():
                task = self._landing(partition, file.request)
                landed[task.task_id] = task
        return list(landed.values())

    def _landing(self, partition: Partition, request: Any) -> PipelineTask:
        if partition.source == SYNTHETIC:
            through = date.fromisoformat(request["sample_through"])
            return self.clone(LandSample, through=through)  # type: ignore[no-any-return]
        return self.clone(LandFile, source=partition.source, **request)  # type: ignore[no-any-return]

    def run(self) -> None:
        """Prepare, then publish the file by its name."""
        prepared = prepare_month(self.lake, self.symbol, self.month)
        with self.output().temporary_path() as path:
            write_prepared(prepared, Path(path))
        self.say(f"{prepared.rows:,} bars from {', '.join(prepared.sources)}")


class RemoveSample(PipelineTask):
    """A market's made-up bars go, whole, before its first real ones come: lake, database, forecasts."""

    symbol = luigi.Parameter()

    def complete(self) -> bool:
        """Whether the market has no real bars yet, or nothing made-up of it is left."""
        sources = {partition.source for partition in self.lake.walk(self.symbol)}
        if not sources - {SYNTHETIC}:
            return True
        if SYNTHETIC in sources:
            return False
        with self.connected() as connection:
            return SYNTHETIC not in read_sources(connection, self.symbol)

    def run(self) -> None:
        """Remove from the database, then from the lake, of which the database is the image."""
        removed = 0
        with self.connected() as connection:
            if SYNTHETIC in read_sources(connection, self.symbol):
                removed = remove_market(connection, self.symbol)
        self.lake.remove(self.symbol, SYNTHETIC)
        notice = f"the first real bars of {self.symbol} replace its {removed:,} made-up ones"
        self.say(notice)
        self.trigger_event(NOTICE, self, (notice,))


class LoadMonth(MonthTask):
    """A prepared month into the database, in one transaction with its marker."""

    def requires(self) -> list[PipelineTask]:
        """The prepared month; and that no made-up bars are left where real ones are loaded."""
        return [self.clone(PrepareMonth), self.clone(RemoveSample)]

    def complete(self) -> bool:
        """Whether the month was loaded from this very input."""
        with self.connected() as connection:
            return bool(read_markers(connection, self.symbol).get(self.month) == self.input_sha256)

    def run(self) -> None:
        """Load, then let go of the prepared file."""
        month = read_prepared(self.prepared_path, self.symbol, self.month)
        with self.connected() as connection:
            result = load_month(connection, month)
        self.prepared_path.unlink()
        self.say(f"{result.written:,} rows written, {result.removed:,} removed")
        self.trigger_event(LOADED, self, result)


class RefreshAggregates(PipelineTask):
    """The hourly and daily bars of a market, up to date with all that the lake has of it."""

    symbol = luigi.Parameter()

    def requires(self) -> list[LoadMonth]:
        """A load for every month of the market in the lake."""
        return [
            self.clone(LoadMonth, month=month, input_sha256=sha256)
            for month, sha256 in month_inputs(self.lake, self.symbol).items()
        ]

    def complete(self) -> bool:
        """Whether every month is loaded from the lake's input, and no load waits for its aggregates."""
        wanted = month_inputs(self.lake, self.symbol)
        with self.connected() as connection:
            return read_markers(connection, self.symbol) == wanted and aggregates_are_fresh(connection)

    def run(self) -> None:
        """Refresh exactly the days that the loads touched."""
        with self.connected() as connection:
            days = refresh_aggregates(connection)
        self.say(f"{days:,} days refreshed")


NOTICE = "btcql.notice"
LOADED = "btcql.loaded"
