"""Versions of btcql, each in an environment of its own, and what people do with them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.cli.conftest import free_port
from tests.conftest import settings_of
from tests.docs.documents import ROOT

_START_SECONDS = 120


@dataclass(frozen=True)
class Version:
    """A version of btcql by its Python, over a home; it is told no setting that the first did not know."""

    python: Path
    environment: dict[str, str]

    def run(self, *arguments: str | Path) -> str:
        """Run the command; leave with what it said if it fails."""
        ended = subprocess.run(
            self._command(*arguments), env=self.environment, capture_output=True, text=True, check=False
        )
        if ended.returncode:
            raise SystemExit(f"btcql {' '.join(map(str, arguments))}: {ended.stdout}{ended.stderr}")
        return ended.stdout

    @contextmanager
    def serving(self) -> Iterator[Any]:
        """Serve the API; what is yielded takes a document and returns its data."""
        address = f"http://127.0.0.1:{self.environment['BTCQL_PORT']}/graphql"

        def ask(document: str) -> Any:
            body = httpx.post(address, json={"query": document}, timeout=60).json()
            if "errors" in body:
                raise SystemExit(f"{document}: {body['errors']}")
            return body["data"]

        with subprocess.Popen(
            self._command("serve"), env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            try:
                _wait_until_it_answers(address, process)
                yield ask
            finally:
                process.terminate()

    def _command(self, *arguments: str | Path) -> list[str]:
        return [str(self.python), "-P", "-m", "btcql", *map(str, arguments)]


def environment_of(home: Path, edition: str) -> dict[str, str]:
    """Return the environment of a home whose embedded server is of the edition."""
    settings = settings_of(edition, home)
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("BTCQL_", "PYTHON"))}
    return {
        **clean,
        "BTCQL_HOME": settings.home_path,
        "BTCQL_PG_BIN": settings.pg_bin,
        "BTCQL_TIMESCALEDB_LICENSE": settings.timescaledb_license,
        "BTCQL_PORT": str(free_port()),
        "BTCQL_LUIGID_PORT": str(free_port()),
    }


def install(commit: str, folder: Path) -> Path:
    """Install the commit with the versions that it was tested with; return its Python."""
    source = folder / "source"
    source.mkdir()
    packed = subprocess.run(["git", "archive", commit], cwd=ROOT, capture_output=True, check=True)
    subprocess.run(["tar", "-x"], cwd=source, input=packed.stdout, check=True)
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    python = folder / "venv" / "bin" / "python"
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--constraint", str(source / "constraints.txt"), str(source)], check=True)
    return python


def _wait_until_it_answers(address: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            httpx.post(address, json={"query": "{ __typename }"})
        except httpx.TransportError:
            time.sleep(0.1)
        else:
            return
    raise SystemExit(f"{address} never answered")
