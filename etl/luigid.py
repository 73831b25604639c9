"""Luigi's central scheduler and its visualiser, one for all commands of a home: two would do a task twice.

It is the one that this home runs, else the one that answers at the address set, else it is started there.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPException
from importlib.resources import as_file, files
from urllib.request import urlopen

import psutil

from btcql.errors import PipelineError, SettingError
from btcql.lease import alone, leased
from btcql.settings import Settings, visualiser_of

_START_SECONDS = 30


@dataclass(frozen=True)
class Running:
    """A luigid that was started by a command of this home, and where it listens."""

    pid: int
    created: float  # the number may belong to another program by now
    host: str
    port: int

    @property
    def url(self) -> str:
        """The scheduler's address."""
        return f"http://{self.host}:{self.port}"


class Luigid:
    """The scheduler; nothing is started before `running` is entered.

    host, port: where it is, or would be: as set, until another is found to run.
    """

    def __init__(self, settings: Settings) -> None:
        self.host, self.port = settings.luigid_host, settings.luigid_port
        self.folder = settings.home / "luigi"
        self.log = self.folder / "luigid.log"
        self._pid = self.folder / "luigid.pid"
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The scheduler's address; the visualiser is below it."""
        return f"http://{self.host}:{self.port}"

    @property
    def visualiser_url(self) -> str:
        """The visualiser's page."""
        return visualiser_of(self.host, self.port)

    @contextmanager
    def running(self) -> Iterator[str]:
        """Start luigid unless one answers, yield its address, and stop it if nobody else uses it.

        Raises SettingError if its port is taken by another program.
        """
        with leased(self.folder) as lease:
            try:
                self.ensure_started()
                yield self.url
            finally:
                if lease.is_last():
                    self._stop()
                self._leave()

    def ensure_started(self) -> None:
        """Bring luigid up unless it answers; two that do so at once start it once."""
        with alone(self.folder):
            if found := self.found():
                self.host, self.port = found.host, found.port
            if not self._answers():
                self._start()

    def found(self) -> Running | None:
        """Return the one that a command of this home has started, if its process is there."""
        try:
            pid, created, host, port = self._pid.read_text().split()
            running = Running(int(pid), float(created), host, int(port))
            process = psutil.Process(running.pid)
            alive = process.create_time() == running.created and process.status() != psutil.STATUS_ZOMBIE
        except (FileNotFoundError, ValueError, psutil.NoSuchProcess):  # none, or an earlier version's note
            return None
        return running if alive else None

    def listens(self) -> bool:
        """Whether anything takes connections at the address."""
        try:
            with socket.create_connection((self.host, self.port), timeout=5):
                return True
        except ConnectionRefusedError:
            return False
        except OSError as error:
            raise SettingError(
                f"{self.url} cannot be reached ({error}): check BTCQL_LUIGID_HOST and BTCQL_LUIGID_PORT"
            ) from error

    def _answers(self) -> bool:
        if not self.listens():
            return False
        try:
            with urlopen(f"{self.url}/api/task_list?data=%7B%22limit%22%3A1%7D", timeout=10) as answer:  # noqa: S310 - http by construction
                if "response" in json.load(answer):
                    return True
        except (OSError, HTTPException, ValueError) as error:
            if not self.listens():  # it was killed in the middle of its answer
                return False
            raise self._not_luigid() from error
        raise self._not_luigid()

    def _not_luigid(self) -> SettingError:
        return SettingError(f"{self.url} answers, but is not luigid: set BTCQL_LUIGID_PORT to a free port")

    def _start(self) -> None:
        command = [sys.executable, "-P", "-c", "from luigi.cmdline import luigid; luigid()"]
        command += ["--address", self.host, "--port", str(self.port)]
        command += ["--state-path", str(self.folder / "state.pickle")]
        with as_file(files("etl") / "luigi.cfg") as config, self.log.open("ab") as log:
            # A session of its own: Ctrl-C is for the command that started it, which then stops it.
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={**os.environ, "LUIGI_CONFIG_PATH": str(config)},
            )
            try:
                created = psutil.Process(process.pid).create_time()
                noted = self._pid.with_suffix(".new")
                noted.write_text(f"{process.pid} {created} {self.host} {self.port}")
                noted.replace(self._pid)
                self._await(process)
                self._leave()
                self._child = process
            except BaseException:
                process.kill()
                process.wait()
                self._pid.unlink(missing_ok=True)
                raise

    def _await(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while not self._answers():
            if process.poll() is not None or time.monotonic() > deadline:
                raise PipelineError(f"luigid did not start at {self.url}: see {self.log}")
            time.sleep(0.05)

    def _stop(self) -> None:
        if not self._pid.exists():
            return
        if found := self.found():
            with suppress(psutil.NoSuchProcess):  # it has ended by itself
                process = psutil.Process(found.pid)
                process.terminate()
                process.wait(_START_SECONDS)
        self._pid.unlink()

    def _leave(self) -> None:
        """Take note of the end of the one that this process started, or leave it to those who use it."""
        if self._child is not None and self._child.poll() is None:
            self._child.returncode = 0  # as far as this process is concerned, which need not wait for it
        self._child = None
