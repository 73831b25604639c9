"""One home has one luigid, whatever port each of its commands was told."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import psutil

from btcql.settings import Settings
from etl.luigid import Luigid
from tests.cli.conftest import command_in, free_port
from tests.cli.files import daily_rows, write_csv


def luigid_in(home: Path) -> Luigid:
    """Return the luigid of a home, as a command sees it that was told a port of its own."""
    return Luigid(Settings(home_path=str(home), luigid_port_text=str(free_port())))


def test_whoever_was_told_another_port_uses_the_one_that_runs_and_the_last_stops_it(tmp_path: Path) -> None:
    first, second = luigid_in(tmp_path), luigid_in(tmp_path)
    own = second.url
    with ExitStack() as leaving_last:
        with first.running() as url:
            assert url == first.url
            assert leaving_last.enter_context(second.running()) == url
            assert (second.url, second.visualiser_url) == (first.url, first.visualiser_url)
            assert not Luigid(Settings(luigid_port_text=own.rpartition(":")[2])).listens()
        assert second.listens(), "the first has left, and the second uses it"
        (process,) = running_of(tmp_path)
    wait_for(lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE)
    assert not first.listens()
    assert second.found() is None


def test_one_that_was_killed_is_started_again_where_all_look_for_it(tmp_path: Path) -> None:
    first, second = luigid_in(tmp_path), luigid_in(tmp_path)
    with first.running() as url, second.running():
        kill(first)
        second.ensure_started()
        first.ensure_started()
        assert {first.url, second.url} == {url}
        assert len(running_of(tmp_path)) == 1


def test_what_was_noted_of_one_that_is_gone_binds_nobody(tmp_path: Path) -> None:
    first, second = luigid_in(tmp_path), luigid_in(tmp_path)
    own = second.url
    with first.running():
        kill(first)
        assert second.found() is None
        with second.running() as url:
            assert url == own
            first.ensure_started()
            assert first.url == own, "its own is gone, and another runs"


def test_a_command_says_that_it_uses_the_one_that_runs(tmp_path: Path) -> None:
    home = tmp_path / "home"
    running, other = luigid_in(home), command_in(home, "plain")
    with running.running() as url:
        assert f"luigid runs at {url}" in other.succeed("doctor")
        said = other.succeed("import", write_csv(tmp_path / "days.csv", daily_rows(3)))
        assert f"luigid runs at {url} already, which is used" in said
        assert f"BTCQL_LUIGID_PORT={other.settings.luigid_port}" in said
        assert len(running_of(home)) == 1
    assert other.processes() == []


def kill(luigid: Luigid) -> None:
    """Kill the process, and wait until it is gone: whoever started it is this process."""
    found = luigid.found()
    assert found is not None
    os.kill(found.pid, signal.SIGKILL)
    wait_for(lambda: not luigid.listens())


def running_of(home: Path) -> list[psutil.Process]:
    """Return the processes of a home's luigid."""
    state = str(home / "luigi" / "state.pickle")
    return [process for process in psutil.process_iter() if state in _words(process)]


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:  # it has ended
        return []


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
