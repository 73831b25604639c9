"""Worker processes: used again, crashing alone, and none left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import psutil
import pytest

from btcql.errors import CrashError
from etl.crew import Crew, Member, crew

Tell = Callable[[object], None]


@dataclass(frozen=True)
class Answer:
    """A job that tells its process's number."""

    def __call__(self, tell: Tell) -> None:
        tell(os.getpid())


@dataclass(frozen=True)
class Crash:
    """A job whose process is killed."""

    def __call__(self, tell: Tell) -> None:
        tell("so far, so good")
        os.kill(os.getpid(), signal.SIGKILL)


@dataclass(frozen=True)
class Stay:
    """A job that does not end by itself."""

    def __call__(self, tell: Tell) -> None:
        tell(os.getpid())
        time.sleep(600)


@pytest.fixture
def members() -> Iterator[Crew]:
    with crew(2) as hired:
        yield hired


def next_message(members: Crew) -> tuple[Member, Any]:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for member, message in members.messages(1):
            return member, message
    raise AssertionError("no process told anything")


def done(members: Crew) -> int:
    member, message = next_message(members)
    member.job = None
    number: int = message
    return number


def test_a_process_is_used_again(members: Crew) -> None:
    members.give(Answer())
    first = done(members)
    members.give(Answer())
    assert done(members) == first != os.getpid()


def test_as_many_run_at_a_time_as_the_crew_has_places(members: Crew) -> None:
    members.give(Stay())
    members.give(Answer())
    assert len({next_message(members)[1], next_message(members)[1]}) == 2


def test_a_crash_is_told_of_its_own_job_and_another_process_takes_over(members: Crew) -> None:
    staying = members.give(Stay())
    assert next_message(members)[0] is staying
    crashing = members.give(Crash())
    assert next_message(members) == (crashing, "so far, so good")
    member, message = next_message(members)
    assert member is crashing
    assert isinstance(message, CrashError)
    assert "signal 9" in str(message)
    members.give(Answer())
    assert done(members) not in {os.getpid(), staying.process.pid, crashing.process.pid}
    assert staying.process.is_alive()


def test_a_process_that_dies_with_nothing_to_do_is_told_at_its_next_job(members: Crew) -> None:
    members.give(Answer())
    process = psutil.Process(done(members))
    process.kill()
    process.wait(60)
    members.give(Answer())
    assert isinstance(next_message(members)[1], CrashError)


def test_at_the_end_no_process_is_left() -> None:
    with crew(2) as members:
        members.give(Stay())
        members.give(Answer())
        left = [psutil.Process(next_message(members)[1]) for _ in range(2)]
    assert not any(process.is_running() for process in left)


def test_processes_with_nothing_to_do_end_by_themselves() -> None:
    with crew(3) as members:
        hired = [members.give(Answer()) for _ in range(3)]
        for _ in hired:
            done(members)
    assert [member.process.exitcode for member in hired] == [0, 0, 0]


def test_processes_end_with_a_parent_that_is_killed() -> None:
    program = (
        "from etl.crew import Crew; from tests.etl.test_crew import Stay, next_message\n"
        "members = Crew(2); members.give(Stay()); members.give(Stay())\n"
        "print(next_message(members)[1], next_message(members)[1], flush=True)\n"
        "import time; time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        left = [psutil.Process(int(number)) for number in parent.stdout.readline().split()]
        parent.kill()
    gone, alive = psutil.wait_procs(left, timeout=60)
    assert (len(gone), alive) == (2, [])
