"""What all tasks of the pipeline have in common."""

from __future__ import annotations

import hashlib
from contextlib import AbstractContextManager
from functools import cache
from typing import Any

import luigi
from luigi.parameter import ParameterVisibility

from database.connection import Connection, Session
from lake.store import Lake

# Events of our own, for who watches a run: lines for a person, the share of a task that is done, and the
# result of a month's load.
NOTICE = "btcql.notice"
PROGRESS = "btcql.progress"
LOADED = "btcql.loaded"


def places(
    lake_root: str,
    database_url: str,
    work_path: str,
    *,
    engine: str = "duckdb",
    spark_master: str = "local[*]",
    exchange_url: str = "",
    exchange_patience: int = 120,
) -> dict[str, Any]:
    """Return the parameters of PipelineTask: where a run reads and writes, and what it works with."""
    place = hashlib.sha256(f"{lake_root} {database_url}".encode()).hexdigest()[:8]
    return {
        "place": place,
        "lake_root": lake_root,
        "database_url": database_url,
        "work_path": work_path,
        "engine": engine,
        "spark_master": spark_master,
        "exchange_url": exchange_url,
        "exchange_patience": exchange_patience,
    }


@cache
def session(database_url: str) -> Session:
    """Return the session that this process's tasks share; `etl.run.run` closes it."""
    return Session(database_url)


class PipelineTask(luigi.Task):
    """What every task knows and no scheduler is told: where the data are (addresses may hold passwords)."""

    place = luigi.Parameter(description="a digest of lake and database: other ones are other tasks")
    lake_root = luigi.Parameter(significant=False, visibility=ParameterVisibility.PRIVATE)
    database_url = luigi.Parameter(significant=False, visibility=ParameterVisibility.PRIVATE)
    work_path = luigi.Parameter(significant=False, visibility=ParameterVisibility.PRIVATE)
    # The same rows come from either: they do not make another task.
    engine = luigi.Parameter(default="duckdb", significant=False, description="what prepares a month")
    spark_master = luigi.Parameter(
        default="local[*]", significant=False, visibility=ParameterVisibility.PRIVATE
    )
    exchange_url = luigi.Parameter(default="", significant=False, visibility=ParameterVisibility.PRIVATE)
    exchange_patience = luigi.IntParameter(
        default=120, significant=False, visibility=ParameterVisibility.PRIVATE, description="seconds"
    )

    @property
    def lake(self) -> Lake:
        """The raw lake."""
        return Lake(self.lake_root)

    def connected(self) -> AbstractContextManager[Connection]:
        """The run's connection to the database, in autocommit."""
        return session(self.database_url).connected()

    def say(self, message: str) -> None:
        """Show `message` beside the task in luigid's visualiser; a task run by hand has nobody to tell."""
        if self.set_status_message is not None:
            self.set_status_message(message)

    def progress(self, done: int, total: int) -> None:
        """Show in luigid's visualiser how much of the task is done, percent by percent."""
        percent = 100 * done // max(total, 1)
        if percent != self.__dict__.get("_percent"):
            self.__dict__["_percent"] = percent
            if self.set_progress_percentage is not None:
                self.set_progress_percentage(percent)
