"""Running a task with all that it requires, against luigid, to the end or to an error."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import luigi
from luigi import configuration
from luigi.rpc import RemoteScheduler, RPCError
from luigi.worker import Worker

from btcql.errors import BtcqlError, PipelineError
from etl.luigid import Luigid
from etl.task import LOADED, NOTICE, PipelineTask, session

Observe = Callable[[str, PipelineTask, Any], None]

# Luigid takes a killed worker's tasks away from it after at most a minute.
_PATIENCE_SECONDS = 120
_OBSERVED = (luigi.Event.START, luigi.Event.SUCCESS, NOTICE, LOADED)
_FAILURES = (luigi.Event.FAILURE, luigi.Event.BROKEN_TASK)


def run(task: PipelineTask, luigid: Luigid, observe: Observe) -> None:
    """Run `task` and what it requires; return only when it is complete.

    `observe` is told of each event with its task and, for notices and loads, what they say. A task that
    another run is working on is waited for; a luigid that has gone is started again. Raises btcql's own
    error that stopped a task, PipelineError for any other.
    """
    failures: list[tuple[PipelineTask, BaseException]] = []
    configuration.get_config().set("core", "rpc-retry-wait", "1")
    # What failed is raised below, once; Luigi's own log would say it a second time, with its traceback.
    logging.getLogger("luigi-interface").setLevel(logging.CRITICAL)
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
        while not _work(task, luigid):
            if failures:
                raise _first_cause(failures)
            if started:
                deadline = time.monotonic() + _PATIENCE_SECONDS
                started.clear()
            if time.monotonic() > deadline:
                raise PipelineError(
                    f"{task.task_family} is still being worked on by another run: try again later"
                )
            time.sleep(1)


def _work(task: PipelineTask, luigid: Luigid) -> bool:
    """Do what luigid gives to this run, and return whether the task is complete."""
    scheduler = RemoteScheduler(luigid.url)
    try:
        with _Worker(
            scheduler=scheduler,
            check_complete_on_run=True,
            # Looked at when the tasks were added; once more before each run is a walk of the lake per month.
            check_unfulfilled_deps=False,
            send_failure_email=False,
            wait_interval=0.2,
            wait_jitter=0.2,
        ) as worker:
            return bool(worker.add(task) and worker.run() and task.complete())
    except RPCError:
        # It was another home's, and stopped with it, or was killed: the tasks' own markers know what is done.
        luigid.ensure_started()
        return False
    finally:
        scheduler.close()


class _Worker(Worker):
    """A worker that tells of a complete() that raised, as it does of every other failure."""

    def _log_complete_error(self, task: PipelineTask, tb: str) -> None:  # noqa: ARG002 - a text, no exception
        try:
            task.complete()
        except Exception as error:  # noqa: BLE001 - handed on
            task.trigger_event(luigi.Event.BROKEN_TASK, task, error)


@contextmanager
def _listening(observe: Observe, fail: Callable[[PipelineTask, BaseException], None]) -> Iterator[None]:
    handlers: dict[str, Callable[..., None]] = {
        event: lambda task, *said, event=event: observe(event, task, said[0] if said else None)
        for event in _OBSERVED
    }
    handlers |= dict.fromkeys(_FAILURES, fail)
    for event, handler in handlers.items():
        PipelineTask.event_handler(event)(handler)
    try:
        yield
    finally:
        for event, handler in handlers.items():
            PipelineTask.remove_event_handler(event, handler)


def _first_cause(failures: list[tuple[PipelineTask, BaseException]]) -> BtcqlError:
    task, cause = failures[0]
    others = f" (and {len(failures) - 1} more tasks)" if len(failures) > 1 else ""
    named = [str(task.param_kwargs[key]) for key in ("name", "symbol", "month") if key in task.param_kwargs]
    error = PipelineError(f"{' '.join([task.task_family, *named])} failed: {cause}{others}")
    if isinstance(cause, BtcqlError):
        return cause if not others else error
    error.__cause__ = cause
    return error
