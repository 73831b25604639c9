"""Running a task with all that it requires, against luigid, to the end or to an error."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import cache
from importlib.resources import as_file, files
from typing import Any

import luigi
from luigi import configuration
from luigi.rpc import RemoteScheduler, RPCError

from btcql.errors import BtcqlError, CrashError, DatabaseUnavailableError, PipelineError
from etl.crew import Crew
from etl.luigid import Luigid
from etl.task import PipelineTask, session
from etl.worker import FAILURES, OBSERVED, CrewWorker

Observe = Callable[[str, PipelineTask, Any], None]
Failure = tuple[PipelineTask, BaseException]

# Luigid takes a killed worker's tasks away from it after at most a minute.
_PATIENCE_SECONDS = 120
# What may be over in a moment. The network's troubles are not among them: who asks it is patient himself.
_PASSING = (CrashError, DatabaseUnavailableError)


class run_policy(luigi.Config):  # noqa: N801 - the section's name in luigi.cfg
    """How often a task is tried again after a failure that may pass."""

    retry_count = luigi.IntParameter(default=3)
    retry_delay = luigi.FloatParameter(default=2.0, description="seconds")


def run(task: PipelineTask, luigid: Luigid, observe: Observe, crew: Crew) -> None:
    """Run `task` and what it requires in the crew's processes; return only when it is complete.

    `observe` is told of each event with its task and, for notices and loads, what they say. A task that
    another run is working on is waited for; a luigid that has gone is started again; a task whose process
    or database was lost is tried again. Raises btcql's own error that stopped a task, PipelineError for any
    other.
    """
    _configure()
    policy = run_policy()
    failures: list[Failure] = []
    failed: Counter[str] = Counter()
    started: list[PipelineTask] = []

    def watch(event: str, seen: PipelineTask, said: object) -> None:
        if event == luigi.Event.START:
            started.append(seen)
        observe(event, seen, said)

    with (
        closing(session(task.database_url)),
        _listening(watch, lambda failed, error: failures.append((failed, error))),
    ):
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not _work(task, luigid, crew):
            if failures:
                failed.update(of.task_id for of, _ in failures)
                lasting = [failure for failure in failures if not isinstance(failure[1], _PASSING)]
                if lasting or max(failed.values()) > policy.retry_count:
                    raise _first_cause(lasting or failures)
                failures.clear()
                time.sleep(policy.retry_delay)
                continue
            if started:
                deadline = time.monotonic() + _PATIENCE_SECONDS
                started.clear()
            if time.monotonic() > deadline:
                raise PipelineError(
                    f"{task.task_family} is still being worked on by another run: try again later"
                )
            time.sleep(1)


@cache
def _configure() -> None:
    """Take the shipped luigi.cfg, above any that Luigi finds by itself."""
    with as_file(files("etl") / "luigi.cfg") as config:
        configuration.add_config_path(str(config))
    # What failed is raised by `run`, once; Luigi's own log would say it a second time, with its traceback.
    logging.getLogger("luigi-interface").setLevel(logging.CRITICAL)


def _work(task: PipelineTask, luigid: Luigid, crew: Crew) -> bool:
    """Do what luigid gives to this run, and return whether the task is complete."""
    scheduler = RemoteScheduler(luigid.url)
    try:
        with CrewWorker(scheduler, crew) as worker:
            return bool(worker.add(task) and worker.run() and task.complete())
    except RPCError:
        # It was another home's, and stopped with it, or was killed: the tasks' own markers know what is done.
        luigid.ensure_started()
        return False
    finally:
        scheduler.close()


@contextmanager
def _listening(observe: Observe, fail: Callable[[PipelineTask, BaseException], None]) -> Iterator[None]:
    handlers: dict[str, Callable[..., None]] = {
        event: lambda task, *said, event=event: observe(event, task, said[0] if said else None)
        for event in OBSERVED
    }
    handlers |= dict.fromkeys(FAILURES, fail)
    for event, handler in handlers.items():
        PipelineTask.event_handler(event)(handler)
    try:
        yield
    finally:
        for event, handler in handlers.items():
            PipelineTask.remove_event_handler(event, handler)


def _first_cause(failures: list[Failure]) -> BtcqlError:
    task, cause = failures[0]
    others = f" (and {len(failures) - 1} more tasks)" if len(failures) > 1 else ""
    named = [str(task.param_kwargs[key]) for key in ("name", "symbol", "month") if key in task.param_kwargs]
    error = PipelineError(f"{' '.join([task.task_family, *named])} failed: {cause}{others}")
    if isinstance(cause, BtcqlError) and not isinstance(cause, CrashError):
        return cause if not others else error
    error.__cause__ = cause
    return error
