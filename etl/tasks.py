"""Tasks that bring the database up to date with the lake: prepare -> load -> aggregates; wiring only.

The forecast follows in ml.tasks. A task is complete when its marker says so: the database's `load` row with
the hash of the lake's input. A killed run therefore leaves nothing half-done that the next believes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import luigi

from btcql.errors import LakeError
from btcql.records import SYNTHETIC
from database.quality import QualityWarning
from database.writers import (
    aggregates_are_fresh,
    load_month,
    read_markers,
    read_sources,
    refresh_aggregates,
    remove_market,
)
from etl.fetching import FetchMonth, covered_through
from etl.landing import LandFile, LandSample
from etl.prepare.engine import choose_engine
from etl.prepare.month import month_inputs, month_manifests, prepare_month
from etl.prepared import read_prepared, write_prepared
from etl.task import LOADED, NOTICE, PipelineTask
from lake.manifest import RawFile
from lake.path import Partition

_MOST_WARNINGS = 20  # a message stays with luigid; the database has them all


class MonthTask(PipelineTask):
    """A step of one market's month; the input's hash makes a corrected month another task."""

    symbol = luigi.Parameter(description="the market, as BASE-QUOTE")
    month = luigi.MonthParameter(description="a calendar month in UTC")
    input_sha256 = luigi.Parameter(description="of all that the lake has of the month")

    @property
    def priority(self) -> int:  # type: ignore[override]
        """Oldest months first, so that what is loaded has no holes."""
        return -(self.month.year * 12 + self.month.month)

    @property
    def prepared_path(self) -> Path:
        """The file in which the prepared month waits for its load."""
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
        for manifest in month_manifests(self.lake, self.symbol, self.month):
            for file in manifest.files:
                task = self._landing(manifest.partition, file)
                landed[task.task_id] = task
        return list(landed.values())

    def _landing(self, partition: Partition, file: RawFile) -> PipelineTask:
        if file.fetched:
            # one task for all its fetches: what the lake has by now
            start = partition.start
            through = covered_through(self.lake.manifest(partition), start).date()
            return self.clone(  # type: ignore[no-any-return]
                FetchMonth,
                source=partition.source,
                timeframe=partition.timeframe.value,
                month=partition.month,
                through=through,
                first=partition.month,
            )
        if partition.source == SYNTHETIC:
            through = date.fromisoformat(file.request["sample_through"])
            return self.clone(LandSample, through=through)  # type: ignore[no-any-return]
        return self.clone(LandFile, source=partition.source, **file.request)  # type: ignore[no-any-return]

    def run(self) -> None:
        """Prepare, then publish the file by its name."""
        engine = choose_engine(self.engine, self.spark_master)
        prepared = prepare_month(self.lake, self.symbol, self.month, engine)
        with self.output().temporary_path() as path:
            write_prepared(prepared, Path(path))
        self.say(f"{prepared.rows:,} bars from {', '.join(prepared.sources)}" + _listed(prepared.warnings))


def _listed(warnings: Sequence[QualityWarning]) -> str:
    """Return the lines that follow a task's message in luigid."""
    lines = [f"warning, {own.kind}: {own}" for own in warnings[:_MOST_WARNINGS]]
    more = len(warnings) - len(lines)
    return "".join(f"\n{line}" for line in [*lines, *([f"and {more} more warnings"] if more else [])])


class RemoveSample(PipelineTask):
    """A market's made-up bars go, whole, before its first real ones come: lake, database, forecasts."""

    symbol = luigi.Parameter(description="the market, as BASE-QUOTE")

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
            # Before a real bar comes: no made-up aggregate may be read as one.
            refresh_aggregates(connection)
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

    @classmethod
    def bulk_complete(cls, parameter_tuples: Iterable[Sequence[Any]]) -> list[Sequence[Any]]:
        """Return those whose months are loaded, of tasks by their parameters: one question a market."""
        tasks = {tuple(values): cls(*values) for values in parameter_tuples}
        loaded: dict[tuple[str, str], dict[date, str]] = {}
        for task in tasks.values():
            market = task.database_url, task.symbol
            if market not in loaded:
                with task.connected() as connection:
                    loaded[market] = read_markers(connection, task.symbol)
        return [
            values
            for values, task in tasks.items()
            if loaded[task.database_url, task.symbol].get(task.month) == task.input_sha256
        ]

    def run(self) -> None:
        """Load, refresh the aggregates of its days, and let go of the prepared file."""
        month = read_prepared(self.prepared_path, self.symbol, self.month)
        with self.connected() as connection:
            result = load_month(connection, month)
            # While others load, their last one does this, or RefreshAggregates: nobody waits in between, and
            # nobody fails for bars that a month to come brings back.
            refresh_aggregates(connection, wait=False)
        self.prepared_path.unlink()
        self.say(f"{result.written:,} rows written, {result.removed:,} removed" + _listed(month.warnings))
        self.trigger_event(LOADED, self, result)


class RefreshAggregates(PipelineTask):
    """The hourly and daily bars of a market, up to date with all that the lake has of it.

    Each load refreshes its own days; what a killed one left is done here.
    """

    symbol = luigi.Parameter(description="the market, as BASE-QUOTE")

    def requires(self) -> list[LoadMonth]:
        """A load for every month of the market in the lake."""
        return [
            self.clone(LoadMonth, month=month, input_sha256=sha256)
            for month, sha256 in month_inputs(self.lake, self.symbol).items()
        ]

    def complete(self) -> bool:
        """Whether every month is loaded from the lake's input, and no load waits for its aggregates.

        Raises LakeError for months that only the database has: which of the two is wrong, a person must say.
        """
        wanted = month_inputs(self.lake, self.symbol)
        with self.connected() as connection:
            loaded = read_markers(connection, self.symbol)
            only_loaded = sorted(loaded.keys() - wanted.keys())
            if only_loaded and SYNTHETIC not in read_sources(connection, self.symbol):
                raise LakeError(
                    f"the database has bars of {self.symbol} in {len(only_loaded)} months of which the lake "
                    f"{self.lake_root} has none, the first {only_loaded[0]:%Y-%m}: set BTCQL_LAKE to the "
                    "lake that they were loaded from, or start with a new database"
                )
            return loaded == wanted and aggregates_are_fresh(connection)

    def run(self) -> None:
        """Refresh exactly the days that the loads touched."""
        with self.connected() as connection:
            days = refresh_aggregates(connection)
        self.say(f"{days:,} days refreshed")
