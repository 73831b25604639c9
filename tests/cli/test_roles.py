"""`btcql db roles` on a server of one's own that asks for passwords, and what works with them."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psycopg
import pytest

from btcql.errors import SettingError
from database.account import server_account
from database.passwords import read_or_make
from tests.cli.conftest import LIMIT_SECONDS, Command, free_port
from tests.conftest import installation_of

ADMIN_PASSWORD = "of the superuser"


@dataclass(frozen=True)
class Server:
    port: int
    log: Path

    def url(self, role: str, password: str, database: str) -> str:
        return f"postgresql://{role}:{password.replace(' ', '%20')}@127.0.0.1:{self.port}/{database}"


@contextmanager
def scram_server(folder: Path) -> Iterator[Server]:
    """A server that is reached by TCP with a SCRAM password alone, and logs each statement."""
    installation = installation_of("plain")
    assert installation
    account = server_account(installation.bin, folder)
    account.give(folder)
    server = Server(free_port(), folder / "log")
    (folder / "password").write_text(ADMIN_PASSWORD)

    def run(program: str, *arguments: str | Path) -> None:
        command = [*account.prefix, installation.bin / program, "-D", folder / "data", *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd="/")

    run("initdb", "-U", "postgres", "--auth=scram-sha-256", f"--pwfile={folder / 'password'}", "--no-sync")
    options = f"-c listen_addresses=127.0.0.1 -p {server.port} -k '' -c log_statement=all -c fsync=off"
    run("pg_ctl", "start", "-w", "-l", server.log, "-o", options)
    try:
        yield server
    finally:
        run("pg_ctl", "stop", "-w", "-m", "immediate")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with scram_server(tmp_path / "server") as running:
        yield running


def test_the_roles_have_passwords_and_the_api_serves_by_the_readers(
    plain_btcql: Command, server: Server
) -> None:
    variables = plain_btcql.environment
    variables["BTCQL_ADMIN_URL"] = server.url("postgres", ADMIN_PASSWORD, "postgres")
    variables["BTCQL_DATABASE_URL"] = f"postgresql://btcql_writer@127.0.0.1:{server.port}/prices"
    said = plain_btcql.succeed("db", "roles")
    assert plain_btcql.succeed("db", "roles") == said
    passwords = {
        role: (plain_btcql.settings.home / "secrets" / f"{role}_password").read_text()
        for role in ("writer", "reader")
    }
    urls = {role: server.url(f"btcql_{role}", word, "prices") for role, word in passwords.items()}
    assert f"BTCQL_READER_URL=postgresql://btcql_reader@127.0.0.1:{server.port}/prices" in said
    everything = said + server.log.read_text()
    assert not [word for word in (*passwords.values(), ADMIN_PASSWORD) if word in everything]

    del variables["BTCQL_ADMIN_URL"]
    assert "password" in plain_btcql.fail("db", "status")
    variables |= {"BTCQL_DATABASE_URL": urls["writer"], "BTCQL_READER_URL": urls["reader"]}
    assert "0001_create_candle.sql" in plain_btcql.succeed("db", "migrate")
    assert "plain: rollup tables" in plain_btcql.succeed("db", "status")
    with plain_btcql.start("serve") as api:
        try:
            wait_until_ready(plain_btcql.settings.port, api)
            with psycopg.connect(server.url("postgres", ADMIN_PASSWORD, "postgres")) as admin:
                users = admin.execute(
                    "SELECT DISTINCT usename FROM pg_stat_activity WHERE application_name = 'btcql-api'"
                ).fetchall()
            assert users == [("btcql_reader",)]
        finally:
            api.terminate()
            api.communicate(timeout=LIMIT_SECONDS)
        assert api.returncode == 0, "told to end, it ends well"


def wait_until_ready(port: int, api: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + LIMIT_SECONDS
    while api.poll() is None and time.monotonic() < deadline:
        try:
            if httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=30).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    pytest.fail("the API never became ready")


def test_without_a_superusers_address_it_says_what_is_needed(plain_btcql: Command) -> None:
    assert "BTCQL_ADMIN_URL is not set" in plain_btcql.fail("db", "roles")


def test_a_password_is_made_once_and_kept_from_others(tmp_path: Path) -> None:
    file = tmp_path / "secrets" / "writer_password"
    made = read_or_make(file)
    assert len(made) > 30
    assert read_or_make(file) == made
    assert [file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777] == [0o600, 0o700]
    assert list(file.parent.iterdir()) == [file]


def test_a_given_password_is_read_and_an_empty_one_refused(tmp_path: Path) -> None:
    (tmp_path / "given").write_text("s3cret word\n")
    assert read_or_make(tmp_path / "given") == "s3cret word"
    (tmp_path / "empty").write_text("\n")
    with pytest.raises(SettingError, match="empty"):
        read_or_make(tmp_path / "empty")
    with pytest.raises(SettingError, match="given/below"):
        read_or_make(tmp_path / "given" / "below")
