"""The installed command, run as a person runs it, in a home of its own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from btcql.errors import DatabaseError
from btcql.settings import Settings
from database.connection import connected
from database.server import opened
from tests.conftest import EDITIONS, installation_of, settings_of

LIMIT_SECONDS = 120


@dataclass(frozen=True)
class Command:
    """`btcql` with its environment; everything that it starts knows the home, by which it is found again."""

    settings: Settings
    environment: dict[str, str]

    def start(self, *arguments: str | Path, folder: Path | None = None) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "btcql", *map(str, arguments)],
            cwd=folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        with self.start(*arguments) as process:
            try:
                out, err = process.communicate(timeout=LIMIT_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def succeed(self, *arguments: str | Path) -> str:
        ended = self.run(*arguments)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout

    def fail(self, *arguments: str | Path) -> str:
        """Run what must fail; return its one line."""
        ended = self.run(*arguments)
        assert ended.returncode == 1, ended.stdout + ended.stderr
        lines = ended.stderr.strip().splitlines()
        assert len(lines) == 1, ended.stderr
        assert lines[0].startswith("btcql: ")
        return lines[0]

    def wait_for(self, query: str, process: subprocess.Popen[str]) -> None:
        """Wait until the running process's database answers `query` with true."""
        deadline = time.monotonic() + LIMIT_SECONDS
        while process.poll() is None and time.monotonic() < deadline:
            with suppress(DatabaseError):  # there is no server yet, or no schema
                if self.rows(query) == [(True,)]:
                    return
            time.sleep(0.02)
        raise AssertionError(f"it never came to: {query}")

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with opened(self.settings) as url, connected(url) as connection:
            return connection.execute(query.encode()).fetchall()

    def processes(self) -> list[psutil.Process]:
        """What still runs of this home."""
        home = str(self.settings.home)
        return [process for process in psutil.process_iter() if _belongs(process, home)]

    def runs(self, word: str) -> bool:
        """Whether a process of this home has `word` in its command."""
        for process in self.processes():
            with suppress(psutil.Error):  # it ended meanwhile
                if word in process.cmdline():
                    return True
        return False


def _belongs(process: psutil.Process, home: str) -> bool:
    try:
        if process.pid == os.getpid() or process.status() == psutil.STATUS_ZOMBIE:
            return False
        return home in process.environ().get("BTCQL_HOME", "") or process.cwd().startswith(home)
    except psutil.Error:
        return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def command_in(home: Path, edition: str, **more: str) -> Command:
    chosen = settings_of(edition, home)
    variables = {
        "BTCQL_HOME": chosen.home_path,
        "BTCQL_PG_BIN": chosen.pg_bin,
        "BTCQL_TIMESCALEDB_LICENSE": chosen.timescaledb_license,
        "BTCQL_PORT": str(free_port()),
        "BTCQL_LUIGID_PORT": str(free_port()),
        "BTCQL_EXCHANGE_URL": "http://127.0.0.1:1",  # nobody listens: as without a network
        "BTCQL_LOG_LEVEL": "warning",  # as `up` has it on a terminal
        **more,
    }
    clean = {name: value for name, value in os.environ.items() if not name.startswith("BTCQL_")}
    return Command(Settings.read(variables), {**clean, **variables, "COLUMNS": "200"})


@contextmanager
def leaving_nothing(command: Command) -> Iterator[Command]:
    """At the end nothing of the command may still run."""
    yield command
    left = command.processes()
    for process in left:
        process.kill()
    assert not left


@pytest.fixture
def btcql(edition: str, tmp_path: Path) -> Iterator[Command]:
    """The command on each edition."""
    with leaving_nothing(command_in(tmp_path / "a home", edition)) as command:
        yield command


@pytest.fixture
def best_btcql(tmp_path: Path) -> Iterator[Command]:
    """The command on the edition with the most in it of those found here: for what it does beside others."""
    best = next(edition for edition in EDITIONS if installation_of(edition))
    with leaving_nothing(command_in(tmp_path / "a home", best)) as command:
        yield command


@pytest.fixture
def plain_btcql(tmp_path: Path) -> Iterator[Command]:
    """The command on the edition that every machine has, where the edition does not matter."""
    with leaving_nothing(command_in(tmp_path / "a home", "plain")) as command:
        yield command
