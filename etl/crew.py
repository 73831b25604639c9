"""The worker processes of a run: used again for task after task, so that a task does not pay for a start.

Each holds a connection and an engine of its own. One that crashes fails its own task alone, and the next task
gets another. None outlives the process that started it, however that ends.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Protocol, cast

from btcql.errors import CrashError

# A fork is at work in milliseconds; elsewhere than on Linux the system's libraries do not survive one.
_FORKS = sys.platform == "linux"
_CONTEXT = get_context("fork" if _FORKS else "spawn")
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_PATIENCE_SECONDS = 10


class Job(Protocol):
    """Work that can be sent to another process; what it tells reaches whoever gave it."""

    def __call__(self, tell: Callable[[object], None]) -> None:
        """Do it; `tell(message)` sends anything that can be pickled."""


class Member:
    """One worker process, and the job that it is at; whoever hears that it is done takes it away."""

    def __init__(self, others: Sequence[Member] = ()) -> None:
        self.job: Any = None
        self.connection, theirs = _CONTEXT.Pipe()
        # A fork has the parent's ends of all pipes: one kept open would hide from another that it is to end.
        inherited = [self.connection, *(other.connection for other in others)] if _FORKS else []
        self.process: BaseProcess = _CONTEXT.Process(  # type: ignore[attr-defined]  # each kind has its own
            target=_serve, args=(theirs, inherited), daemon=True
        )
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)  # until the child has its own handlers
        try:
            with warnings.catch_warnings():
                # Python warns of threads beside a fork; the child needs nothing that they may hold.
                warnings.simplefilter("ignore", DeprecationWarning)
                self.process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            theirs.close()  # the child's alone now: its death is the end of the pipe

    def stop(self) -> int | None:
        """End the process, in the middle of a job by a signal, and return its exit code."""
        if self.job is not None:
            self.process.terminate()
        self.connection.close()
        self.process.join(_PATIENCE_SECONDS)
        if self.process.exitcode is None:
            self.process.kill()
            self.process.join()
        return self.process.exitcode


class Crew:
    """At most `size` worker processes, each started when there is work for it."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._members: list[Member] = []

    def give(self, job: Job) -> Member:
        """Let a free process do `job`; there is one, for nobody gives more than `size` at a time."""
        member = next((found for found in self._members if found.job is None), None)
        if member is None:
            assert len(self._members) < self.size
            member = Member(self._members)
            self._members.append(member)
        member.job = job
        with suppress(ConnectionError):  # it died with nothing to do: `messages` tells it as of any other
            member.connection.send(job)
        return member

    def messages(self, seconds: float) -> Iterator[tuple[Member, Any]]:
        """Yield what came from busy processes, waiting up to `seconds` for the first of it.

        In the place of a message, the death of one is a CrashError; it is of the crew no more.
        """
        busy = {member.connection: member for member in self._members if member.job is not None}
        for ready in wait(list(busy), seconds):
            member = busy[cast("Connection[Any, Any]", ready)]
            try:
                message = member.connection.recv()
            except (EOFError, OSError):
                message = self._bury(member)
            yield member, message

    def dismiss(self, *members: Member) -> None:
        """End these processes; without any, all."""
        for member in members or tuple(self._members):
            if member in self._members:
                self._members.remove(member)
                member.stop()

    def _bury(self, member: Member) -> CrashError:
        self._members.remove(member)
        code = member.stop()
        how = f"by signal {-code}" if code and code < 0 else f"with exit code {code}"
        return CrashError(f"its worker process was ended {how}")


@contextmanager
def crew(size: int) -> Iterator[Crew]:
    """Yield a crew of at most `size` processes; none is left of it afterwards."""
    members = Crew(size)
    try:
        yield members
    finally:
        members.dismiss()


def _serve(connection: Connection[Any, Any], inherited: Sequence[Connection[Any, Any]]) -> None:
    """Do job after job, until the parent dies or closes its end of the pipe (`inherited`: of all pipes)."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's, which then ends this process
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _interrupt)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    if inherited:
        for parents in inherited:
            parents.close()
        # The parent's may be a drawing that another thread of it held while it was forked.
        sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        while True:
            connection.recv()(connection.send)
    except (EOFError, ConnectionError, KeyboardInterrupt):
        return


def _interrupt(*_: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)  # at once: a database rolls back, and half-written files are swept by the next run
