"""A run whose scheduler or worker processes are killed under it ends in the state of an undisturbed one."""

from __future__ import annotations

import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.cli.conftest import LIMIT_SECONDS, Command, command_in
from tests.cli.files import daily_rows, write_csv
from tests.cli.test_import import HALF_MONTHS, STATE

DAYS = 300
LOADED = "SELECT count(*) > 2 FROM load"


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Any, ...]]:
    """The state that an import leaves with which nobody interferes."""
    folder = tmp_path_factory.mktemp("undisturbed")
    command = command_in(folder / "home", "plain")
    command.succeed("import", write_csv(folder / "days.csv", daily_rows(DAYS)), "--source", "bitstamp")
    return command.rows(STATE)


def luigid_of(command: Command) -> psutil.Process:
    """Wait until the home's luigid has work, and return it."""
    url = f"http://127.0.0.1:{command.settings.luigid_port}/api/task_list"
    deadline = time.monotonic() + LIMIT_SECONDS
    while time.monotonic() < deadline:
        with suppress(httpx.TransportError):
            if httpx.get(url, params={"data": "{}"}).json()["response"]:
                break
        time.sleep(0.02)
    pid = (command.settings.home / "luigi" / "luigid.pid").read_text().split()[0]
    return psutil.Process(int(pid))


@pytest.mark.parametrize("when", ["at the start", "in the middle"])
def test_a_killed_luigid_is_started_again_and_the_run_goes_on(
    plain_btcql: Command, tmp_path: Path, undisturbed: list[tuple[Any, ...]], when: str
) -> None:
    file = write_csv(tmp_path / "days.csv", daily_rows(DAYS))
    with plain_btcql.start("import", file, "--source", "bitstamp") as process:
        killed = luigid_of(plain_btcql)
        if when == "in the middle":
            plain_btcql.wait_for(LOADED, process)
        killed.kill()
        out, err = process.communicate(timeout=LIMIT_SECONDS)
    assert process.returncode == 0, out + err
    assert plain_btcql.rows(STATE) == undisturbed


def workers_of(number: int) -> list[psutil.Process]:
    """Return the worker processes of a command: forks of it."""
    parent = psutil.Process(number)
    return [child for child in parent.children() if child.cmdline() == parent.cmdline()]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a worker process is not known by its command")
def test_killed_worker_processes_fail_their_tasks_alone_and_these_are_done_again(
    plain_btcql: Command, tmp_path: Path, undisturbed: list[tuple[Any, ...]]
) -> None:
    file = write_csv(tmp_path / "days.csv", daily_rows(DAYS))
    with plain_btcql.start("import", file, "--source", "bitstamp") as process:
        plain_btcql.wait_for(LOADED, process)
        workers = workers_of(process.pid)
        for worker in workers:
            worker.kill()
        out, err = process.communicate(timeout=LIMIT_SECONDS)
    assert workers
    assert process.returncode == 0, out + err
    assert plain_btcql.rows(STATE) == undisturbed


def test_a_run_that_is_stopped_leaves_no_process_and_the_next_finishes(
    plain_btcql: Command, tmp_path: Path, undisturbed: list[tuple[Any, ...]]
) -> None:
    file = write_csv(tmp_path / "days.csv", daily_rows(DAYS))
    with plain_btcql.start("import", file, "--source", "bitstamp") as process:
        plain_btcql.wait_for(LOADED, process)
        process.send_signal(signal.SIGINT)
        err = process.communicate(timeout=LIMIT_SECONDS)[1]
    assert plain_btcql.processes() == []
    assert "Traceback" not in err
    assert plain_btcql.rows(HALF_MONTHS) == []
    plain_btcql.succeed("import", file, "--source", "bitstamp")
    assert plain_btcql.rows(STATE) == undisturbed
