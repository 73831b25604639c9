"""The record of the pipeline's runs, and of when the next is due."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from psycopg.pq import TransactionStatus

from btcql.errors import DatabaseError, PipelineError
from database.connection import Connection, connected
from database.events import write_outcome
from database.queries import query

logger = logging.getLogger("btcql.pipeline")

Clock = Callable[[], datetime]
Task = Literal["refresh", "import"]

_MOST_DELAY = timedelta(hours=1)


@dataclass
class Run:
    """A run that is being recorded: whoever does it says how many rows it wrote or removed."""

    rows: int = 0


@dataclass(frozen=True)
class Plan:
    """When a market is refreshed next, and how many refreshes of it have failed since the last success."""

    next_at: datetime
    failures: int


@contextmanager
def recorded(url: str, market: str, task: Task, now: Clock, attempt: int = 1) -> Iterator[Run]:
    """Record what is done in the block as a run of the market: succeeded, failed or interrupted.

    What is left of killed runs is closed first. A failure's error is recorded and raised on; a refresh's
    outcome is an event where it differs from the last one.
    """
    with connected(url, autocommit=True) as connection:
        connection.execute(query("end_dead_runs"), {"at": now()})
        parameters = {"market": market, "task": task, "attempt": attempt, "at": now()}
        begun = connection.execute(query("begin_run"), parameters).fetchone()
        assert begun is not None
        ending = _Ending(url, begun[0], market, task)
        run = Run()
        try:
            yield run
        except Exception as error:
            ending.write_if_possible("failed", now(), run, str(error))
            raise
        except BaseException:
            ending.write_if_possible("interrupted", now(), run, "it was stopped")
            raise
        ending.write("succeeded", now(), run, None)


@dataclass(frozen=True)
class _Ending:
    """How a run ends, written by a connection of its own: the run's may have been lost on the way."""

    url: str
    run_id: int
    market: str
    task: Task

    def write(self, state: str, at: datetime, run: Run, error: str | None) -> None:
        with connected(self.url) as connection:
            parameters = {"state": state, "at": at, "rows": run.rows, "error": error, "run_id": self.run_id}
            connection.execute(query("end_run"), parameters)
            if self.task == "refresh" and state != "interrupted":
                write_outcome(connection, self.market, at, error)

    def write_if_possible(self, state: str, at: datetime, run: Run, error: str) -> None:
        """Write, unless the database is what failed: the first error is the one to be raised."""
        try:
            self.write(state, at, run, error)
        except DatabaseError as second:
            logger.warning("the run of %s is not recorded as %s: %s", self.market, state, second)


def read_last_refresh(connection: Connection, market: str) -> datetime | None:
    """Return when the market's newest successful refresh began; None: there has been none."""
    row = connection.execute(query("read_last_refresh"), [market]).fetchone()
    assert row is not None
    last: datetime | None = row[0]
    return last


def read_plan(connection: Connection, market: str) -> Plan | None:
    """Return the market's plan; None: it has none yet."""
    row = connection.execute(query("read_plan"), [market]).fetchone()
    return None if row is None else Plan(*row)


def read_failures(connection: Connection) -> list[tuple[str, datetime]]:
    """Return the markets whose newest refresh failed, each with when it is tried again."""
    return [(market, next_at) for market, next_at in connection.execute(query("read_failures"))]


def write_plan(connection: Connection, market: str, plan: Plan) -> None:
    """Plan the market's next refresh."""
    connection.execute(query("write_plan"), [market, plan.next_at, plan.failures])


def remove_plans(connection: Connection, markets: list[str]) -> None:
    """Remove the plans of all markets but these."""
    connection.execute(query("remove_plans"), [markets])


@dataclass(frozen=True)
class ScheduleLock:
    """The right to be the schedule of a database, as long as the session of its connection lasts."""

    connection: Connection

    def take(self) -> bool:
        """Take it if no other has it, and return whether it is held."""
        return self.connection.execute(query("try_schedule")).fetchone() == (True,)


@contextmanager
def schedule_lock(url: str) -> Iterator[ScheduleLock]:
    """Yield a lock that is not taken yet, with its connection in autocommit; it is let go of at the end."""
    with connected(url, autocommit=True) as connection:
        try:
            yield ScheduleLock(connection)
        finally:
            # By itself a session ends a moment after its connection. In the middle of a query, where a signal
            # may have ended it, nothing more can be said: it would hide what did.
            if not connection.closed and connection.info.transaction_status == TransactionStatus.IDLE:
                connection.execute(query("let_go_of_schedule"))


def check_schedule(connection: Connection, now: datetime) -> None:
    """Raise PipelineError unless a schedule serves this database and does what is due within the hour.

    A refresh that fails is no fault of it: it is planned again, and people are told.
    """
    if connection.execute(query("find_schedule")).fetchone() != (True,):
        raise PipelineError("no schedule serves this database: start btcql schedule")
    overdue = connection.execute(query("find_overdue"), [now - _MOST_DELAY]).fetchone()
    if overdue is not None:
        market, next_at = overdue
        raise PipelineError(
            f"the refresh of {market} was due at {next_at:%Y-%m-%d %H:%M} and is not running: "
            "start btcql schedule anew"
        )
