"""Luigi's central scheduler and its visualiser: the one that answers, else one of this home's own."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from importlib.resources import as_file, files
from urllib.request import urlopen

import psutil

from btcql.errors import PipelineError, SettingError
from btcql.lease import alone, leased
from btcql.settings import Settings

_START_SECONDS = 30


class Luigid:
    """The scheduler at the address set; nothing is started before `running` is entered."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.folder = settings.home / "luigi"
        self.log = self.folder / "luigid.log"
        self._pid = self.folder / "luigid.pid"
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The scheduler's address; the visualiser is below it."""
        return f"http://{self._settings.luigid_host}:{self._settings.luigid_port}"

    @property
    def visualiser_url(self) -> str:
        """The visualiser's page."""
        return self._settings.visualiser_url

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

    def ensure_started(self) -> None:
        """Bring luigid up unless it answers; two that do so at once start it once."""
        with alone(self.folder):
            if not self._answers():
                self._start()

    def listens(self) -> bool:
        """Whether anything takes connections at the address."""
        address = self._settings.luigid_host, self._settings.luigid_port
        try:
            with socket.create_connection(address, timeout=5):
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
        command += ["--address", self._settings.luigid_host, "--port", str(self._settings.luigid_port)]
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
                self._pid.write_text(f"{process.pid} {psutil.Process(process.pid).create_time()}")
                self._await(process)
                self._reap()
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
        pid, created = self._pid.read_text().split()
        try:
            process = psutil.Process(int(pid))
            # The number may belong to another program by now.
            if process.create_time() == float(created):
                process.terminate()
                process.wait(_START_SECONDS)
        except psutil.NoSuchProcess:
            pass
        self._pid.unlink()
        self._reap()

    def _reap(self) -> None:
        """Take note of the end of the one that this process started."""
        if self._child is not None:
            self._child.poll()
            self._child = None
