"""What the README and docs/ tell people to type and to ask works as it stands there."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from btcql.errors import BtcqlError
from database.connection import connected
from tests.api.serving import wait_for
from tests.cli.conftest import LIMIT_SECONDS, Command, command_in, leaving_nothing
from tests.cli.files import daily_rows, write_csv
from tests.conftest import fresh_database, given_edition, installation_of
from tests.docs.documents import ROOT, Block, blocks, commands, documents, links
from tests.etl.files import klines, zipped

ADDRESS = "127.0.0.1:8000"
# What a test cannot type, by how it begins: the test that does it otherwise, or the reason.
ELSEWHERE = {
    "make up": "tests/cli/test_up.py",
    "make test": "it would run itself",
    "make check": "it is run beside the tests",
    ".venv/bin/btcql ingest": "tests/cli/test_ingest.py",
    "pg_dump": "tests/database/test_backup.py",
    "pg_restore": "tests/database/test_backup.py",
    "psql": "tests/database/test_backup.py",
    "btcql db roles": "tests/cli/test_roles.py",
    "docker compose": "there is no Docker engine",
    "deploy/make-secrets.sh": "tests/deploy/test_compose.py",
    "kubectl": "there is no cluster",
    "deploy/kubernetes/upgrade.sh": "tests/deploy/test_kubernetes.py",
}


@dataclass(frozen=True)
class Workshop:
    """A folder with the files that the documents name, a database with a market, and the API over it."""

    folder: Path
    btcql: Command
    environment: dict[str, str]

    def run(self, program: list[str], text: str | None = None) -> str | None:
        """Run it in the folder; return what it complains of if it fails."""
        ended = subprocess.run(
            program,
            cwd=self.folder,
            env=self.environment,
            input=text,
            capture_output=True,
            text=True,
            timeout=LIMIT_SECONDS,
            check=False,
        )
        return f"exit code {ended.returncode}: {ended.stdout}{ended.stderr}" if ended.returncode else None

    def here(self, text: str) -> str:
        """Return the text with this server's address for the usual one, and `btcql` as it is found here."""
        port = self.btcql.environment["BTCQL_PORT"]
        return text.replace(ADDRESS, f"127.0.0.1:{port}").replace(".venv/bin/btcql", "btcql")

    def type(self, command: str) -> str | None:
        if any(command.startswith(begin) for begin in ELSEWHERE):
            return None
        return self.run(["bash", "-euo", "pipefail", "-c", self.here(command)])

    def ask(self, query: str) -> str | None:
        body = httpx.post(self.here(f"http://{ADDRESS}/graphql"), json={"query": query}, timeout=60).json()
        return json.dumps(body["errors"]) if "errors" in body else None

    def run_python(self, text: str) -> str | None:
        return self.run([sys.executable, "-W", "error", "-c", self.here(text)])

    def run_javascript(self, text: str) -> str | None:
        script = self.folder / "example.mjs"
        script.write_text(self.here(text), encoding="utf-8")
        return self.run(["node", "--experimental-websocket", "--no-warnings", script.name])


@pytest.fixture
def workshop(tmp_path: Path) -> Iterator[Workshop]:
    folder = tmp_path / "a folder"
    folder.mkdir()
    write_csv(folder / "prices.csv", daily_rows(700, first=datetime(2022, 5, 1, tzinfo=UTC)))
    opens = int(datetime(2024, 3, 1, tzinfo=UTC).timestamp() * 1000)
    (folder / "BTCUSDT-1m-2024-03.zip").write_bytes(zipped(klines(opens, 300, 60_000)))
    with leaving_nothing(command_in(tmp_path / "home", "plain")) as btcql:
        binaries = tmp_path / "bin"
        binaries.mkdir()
        (binaries / "btcql").write_text(f'#!/bin/sh\nexec "{sys.executable}" -P -m btcql "$@"\n')
        (binaries / "btcql").chmod(0o755)
        environment = {**btcql.environment, "PATH": f"{binaries}:{os.environ['PATH']}"}
        if modules := os.environ.get("NODE_PATH"):
            (folder / "node_modules").symlink_to(modules)  # an ES module is not looked for on NODE_PATH
        btcql.succeed("db", "start")
        btcql.succeed("import", folder / "prices.csv", "--source", "bitstamp")
        serving = btcql.start("serve")
        prepared = Workshop(folder, btcql, environment)
        try:
            wait_for(lambda: answers(prepared), LIMIT_SECONDS)
            yield prepared
        finally:
            serving.terminate()
            serving.communicate(timeout=LIMIT_SECONDS)
            btcql.succeed("db", "stop")


def answers(workshop: Workshop) -> bool:
    try:
        return httpx.get(workshop.here(f"http://{ADDRESS}/readyz")).is_success
    except httpx.TransportError:
        return False


def complaints(workshop: Workshop, block: Block) -> Iterator[str | None]:
    """Do what the block tells; None for what went well."""
    if block.language == "console":
        yield from (workshop.type(command) for command in commands(block))
    elif block.language == "graphql":
        yield workshop.ask(block.text)
    elif block.language == "python":
        yield workshop.run_python(block.text)
    elif block.language == "javascript":
        yield workshop.run_javascript(block.text)


def node_lacks(block: Block) -> bool:
    """Whether a block of JavaScript needs what is not here: Node.js, or the packages that CI installs."""
    if block.language != "javascript":
        return False
    needs_packages = "import " in block.text
    return shutil.which("node") is None or (needs_packages and "NODE_PATH" not in os.environ)


@pytest.mark.timeout(900)  # some thirty commands, one after the other
def test_what_the_documents_tell_to_type_and_to_ask_works(workshop: Workshop) -> None:
    told = [block for document in documents() for block in blocks(document)]
    failures = [
        f"{block.place}: {complaint}"
        for block in told
        if not node_lacks(block)
        for complaint in complaints(workshop, block)
        if complaint
    ]
    assert failures == []
    assert {block.language for block in told} >= {"console", "graphql", "python", "javascript"}


def test_the_sql_of_the_documents_runs_as_the_writer(start_server: Callable[[str], str]) -> None:
    told = [block for document in documents() for block in blocks(document) if block.language == "sql"]
    if given_edition() != "community" and installation_of("community") is None:
        pytest.skip("no TimescaleDB Community is installed here")
    with fresh_database(start_server("community"), "community") as database:
        for block in told:
            try:
                with connected(database.url, autocommit=True) as connection:
                    connection.execute(block.text.encode())
            except BtcqlError as error:
                pytest.fail(f"{block.place}: {error}")
    assert told


def test_what_is_not_typed_here_is_named_with_the_test_that_does_it_or_the_reason() -> None:
    told = [
        command
        for document in documents()
        for block in blocks(document)
        if block.language == "console"
        for command in commands(block)
    ]
    for begin, where in ELSEWHERE.items():
        assert any(command.startswith(begin) for command in told), begin
        assert not where.startswith("tests/") or (ROOT / where).exists(), where


def test_the_links_between_the_documents_lead_somewhere() -> None:
    broken = [
        f"{document.relative_to(ROOT)}: {link}"
        for document in documents()
        for link in links(document)
        if "://" not in link and not (document.parent / link.partition("#")[0]).exists()
    ]
    assert broken == []
