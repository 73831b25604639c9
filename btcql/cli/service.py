"""A btcql command in a process of its own, which ends when whoever started it does."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

_STOP_SECONDS = 15
_AGAIN_SECONDS = 5


class Service:
    """The process; it ends by itself when its standard input does."""

    def __init__(self, command: str, environment: Mapping[str, str]) -> None:
        self._command, self._environment = command, {**os.environ, **environment}
        self._process = self._start()
        self._started_at = time.monotonic()

    def ended(self) -> int | None:
        """Return the exit code, None while it runs."""
        return self._process.poll()

    def revive(self) -> bool:
        """Start it again if it has ended, and return whether; one that ends at once is given some time."""
        if self.ended() is None or time.monotonic() < self._started_at + _AGAIN_SECONDS:
            return False
        self.stop()
        self._process, self._started_at = self._start(), time.monotonic()
        return True

    def stop(self) -> None:
        """End it, at the last by force."""
        assert self._process.stdin is not None
        self._process.stdin.close()  # its sign to end
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _start(self) -> subprocess.Popen[bytes]:
        # -P: a folder `btcql` in the working directory is not this package.
        # A session of its own: Ctrl-C is for this process, which then stops the service.
        command = [sys.executable, "-P", "-m", "btcql", self._command, "--until-stdin-ends"]
        return subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True, env=self._environment)


@contextmanager
def service(command: str, **environment: str) -> Iterator[Service]:
    """Run the command beside this process, in its environment but for these variables."""
    running = Service(command, environment)
    try:
        yield running
    finally:
        running.stop()
