"""Luigi's worker, whose tasks run in the processes of a crew."""

from __future__ import annotations

import pickle
import queue
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import luigi
from luigi.rpc import RemoteScheduler
from luigi.task_status import FAILED
from luigi.worker import TaskProcess, TaskStatusReporter, Worker

from btcql.errors import CrashError, PipelineError
from etl.crew import Crew, Member
from etl.task import LOADED, NOTICE, PROGRESS, PipelineTask

# What happens to a task in its process and is told where the run is watched.
OBSERVED = (luigi.Event.START, luigi.Event.SUCCESS, NOTICE, PROGRESS, LOADED)
FAILURES = (luigi.Event.FAILURE, luigi.Event.BROKEN_TASK)

Tell: TypeAlias = Callable[[object], None]
Result: TypeAlias = tuple[
    str, str, Any, list[Any], list[Any]
]  # Luigi's own: task, status, reason, dependencies


class CrewWorker(Worker):
    """A worker with as many tasks at a time as its crew has processes; their events are triggered here."""

    def __init__(self, scheduler: RemoteScheduler, crew: Crew) -> None:
        super().__init__(  # type: ignore[no-untyped-call]
            scheduler=scheduler,
            worker_processes=crew.size,
            # Looked at when the tasks were added; once more before each run is a walk of the lake per month.
            check_unfulfilled_deps=False,
            send_failure_email=False,
        )
        self._task_result_queue.close()
        self._crew = crew
        self._task_result_queue: _Results = _Results(crew, scheduler, self._id)  # type: ignore[assignment]

    def _create_task_process(self, task: PipelineTask) -> _Run:
        return _Run(self._crew, _Job(task, self._id, self._config.check_complete_on_run))

    def _purge_children(self) -> None:
        """Do nothing: the results tell of a process that died."""

    def _log_complete_error(self, task: PipelineTask, tb: str) -> None:  # noqa: ARG002 - a text, no exception
        """Tell of a complete() that raised, as of every other failure; Luigi itself does not."""
        try:
            task.complete()
        except Exception as error:  # noqa: BLE001 - handed on
            task.trigger_event(luigi.Event.BROKEN_TASK, task, error)


class _Run:
    """A running task, as Luigi's worker sees its process."""

    use_multiprocessing = True
    status_reporter: TaskStatusReporter

    def __init__(self, crew: Crew, job: _Job) -> None:
        self._crew, self._job = crew, job
        self._member: Member | None = None

    def start(self) -> None:
        """Give the task to a process."""
        self._member = self._crew.give(self._job)

    def is_alive(self) -> bool:
        """Whether it runs yet."""
        return self._member is not None and self._member.job is not None

    def terminate(self) -> None:
        """End the process."""
        if self._member is not None:
            self._crew.dismiss(self._member)


@dataclass(frozen=True)
class _Job:
    """A task on its way to a process."""

    task: PipelineTask
    worker_id: str
    check_complete: bool

    def __call__(self, tell: Tell) -> None:
        """Run the task as Luigi does; tell its events, what it says to the visualiser, and its result."""
        luigi.Task._event_callbacks.clear()  # noqa: SLF001 - the parent's own, where it was forked with them
        for event in (*OBSERVED, *FAILURES):
            PipelineTask.event_handler(event)(partial(_tell_event, tell, event))
        line = _Line(tell)
        TaskProcess(
            self.task,
            self.worker_id,
            line,
            line,
            check_unfulfilled_deps=False,
            check_complete_on_run=self.check_complete,
        ).run()


class _Line:
    """The queue for results and the reporter of a task, in its process: everything goes to the parent."""

    scheduler_messages = None

    def __init__(self, tell: Tell) -> None:
        self._tell = tell

    def put(self, result: Result) -> None:
        """Tell how the task ended."""
        self._tell(("result", result))

    def __getattr__(self, name: str) -> Callable[[object], None]:
        """Return a method of TaskStatusReporter, to be called over there."""
        if name not in TaskProcess.forward_reporter_attributes:
            raise AttributeError(name)
        return lambda value: self._tell(("report", (name, value)))


def _tell_event(tell: Tell, event: str, _: PipelineTask, *said: object) -> None:
    tell(("event", (event, *(_portable(thing) for thing in said))))


def _portable(thing: object) -> object:
    """Return what can be sent: an exception that cannot becomes one that says the same."""
    if isinstance(thing, BaseException):
        try:
            pickle.loads(pickle.dumps(thing))  # noqa: S301 - its own
        except Exception:  # noqa: BLE001 - whatever it is made of
            return PipelineError(f"{type(thing).__name__}: {thing}")
    return thing


class _Results:
    """The queue of results that Luigi's worker waits at; other messages are passed on meanwhile."""

    def __init__(self, crew: Crew, scheduler: RemoteScheduler, worker_id: str) -> None:
        self._crew, self._scheduler, self._worker_id = crew, scheduler, worker_id
        self._results: deque[Result] = deque()

    def get(self, timeout: float) -> Result:
        """Return the next result; raises queue.Empty if there is none in `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while not self._results:
            left = deadline - time.monotonic()
            if left <= 0:
                raise queue.Empty
            for member, message in self._crew.messages(left):
                self._take(member, message)
        return self._results.popleft()

    def close(self) -> None:
        """Do nothing: the pipes are the crew's."""

    def _take(self, member: Member, message: Any) -> None:
        task = member.job.task
        if isinstance(message, CrashError):
            task.trigger_event(luigi.Event.FAILURE, task, message)
            self._results.append((task.task_id, FAILED, str(message), [], []))
            return
        kind, said = message
        if kind == "event":
            event, *arguments = said
            task.trigger_event(event, task, *arguments)
        elif kind == "report":
            method, value = said
            reporter = TaskStatusReporter(self._scheduler, task.task_id, self._worker_id, None)
            getattr(reporter, method)(value)
        else:
            member.job = None
            self._results.append(said)
