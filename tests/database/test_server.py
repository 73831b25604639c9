"""The embedded server starts, is shared, survives what happens to it, and leaves nothing behind."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
import psycopg
import pytest

from btcql.errors import DatabaseError, DatabaseUnavailableError, SettingError
from btcql.settings import Settings
from database.binaries import find_installations
from database.server import EmbeddedServer, opened
from tests.conftest import settings_of


@pytest.fixture
def settings(edition: str, tmp_path: Path) -> Settings:
    return settings_of(edition, tmp_path / "a home with spaces")


def ask(url: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT 1 + 1").fetchone()
        assert row is not None
        return int(row[0])


def postmasters(server: EmbeddedServer) -> list[psutil.Process]:
    return [process for process in psutil.process_iter() if _works_in(process, server.data)]


def _works_in(process: psutil.Process, data: Path) -> bool:
    try:
        return process.cwd() == str(data) and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def postmaster_pid(server: EmbeddedServer) -> int:
    return int((server.data / "postmaster.pid").read_text().split("\n", 1)[0])


@contextmanager
def starting(settings: Settings) -> Iterator[subprocess.Popen[bytes]]:
    """Another process that starts the server, says so in a line, and keeps it."""
    script = (
        "import time; from btcql.settings import Settings; from database.server import EmbeddedServer\n"
        "with EmbeddedServer(Settings.read()).running(): print('up', flush=True); time.sleep(60)"
    )
    environment = {
        **os.environ,
        "BTCQL_HOME": str(settings.home),
        "BTCQL_PG_BIN": settings.pg_bin,
        "BTCQL_TIMESCALEDB_LICENSE": settings.timescaledb_license,
    }
    with subprocess.Popen([sys.executable, "-c", script], env=environment, stdout=subprocess.PIPE) as other:
        try:
            yield other
        finally:
            other.kill()


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_it_starts_answers_and_stops_and_keeps_its_data(settings: Settings) -> None:
    server = EmbeddedServer(settings)
    with server.running() as url:
        assert ask(url) == 2
        with psycopg.connect(url) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 1")
    assert not postmasters(server)
    with server.running() as url, psycopg.connect(url) as connection:
        assert connection.execute("TABLE kept").fetchall() == [(1,)]


def test_two_users_share_it_and_the_last_one_stops_it(settings: Settings) -> None:
    first, second = EmbeddedServer(settings), EmbeddedServer(settings)
    with second.running() as url:
        with first.running():
            pid = postmaster_pid(first)
        assert ask(url) == 2
        assert postmaster_pid(first) == pid
    assert not postmasters(first)


def test_another_process_shares_it_and_its_death_takes_nothing_away(settings: Settings) -> None:
    server = EmbeddedServer(settings)
    with starting(settings) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"up\n"
        with server.running() as url:
            assert ask(url) == 2
        assert postmasters(server), "the other process still uses it"
        other.kill()
    with server.running() as url:
        assert ask(url) == 2
    assert not postmasters(server)


def test_started_to_stay_it_stays_until_it_is_stopped(settings: Settings) -> None:
    server = EmbeddedServer(settings)
    url = server.start()
    with server.running():
        pass
    assert ask(url) == 2
    with server.running(), pytest.raises(DatabaseError, match="another btcql uses"):
        EmbeddedServer(settings).stop()
    server.stop()
    assert not postmasters(server)
    server.stop()


def test_a_killed_server_comes_back_with_what_was_committed(settings: Settings) -> None:
    server = EmbeddedServer(settings)
    with server.running() as url:
        with psycopg.connect(url) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 7")
        os.kill(postmaster_pid(server), signal.SIGKILL)
        server.ensure_started()
        with psycopg.connect(url) as connection:
            assert connection.execute("TABLE kept").fetchall() == [(7,)]
    assert not postmasters(server)


def test_a_server_that_a_killed_btcql_was_starting_is_waited_for(tmp_path: Path) -> None:
    settings = settings_of("plain", tmp_path)
    server = EmbeddedServer(settings)
    with server.running():
        pass
    # Its recovery lasts as long as the test wants.
    begun, go_on = server.folder / "begun", server.folder / "go on"
    restore = f'touch "{begun}"; while [ ! -e "{go_on}" ]; do sleep 0.05; done; exit 1'
    with (server.data / "postgresql.auto.conf").open("a") as configuration:
        configuration.write(f"restore_command = '{restore}'\n")
    (server.data / "recovery.signal").touch()
    with starting(settings) as killed:
        wait_until(begun.exists)
        killed.kill()
    said = server.log.read_text()
    with ThreadPoolExecutor(1) as pool, ExitStack() as ending:
        ending.callback(go_on.touch)
        url = pool.submit(lambda: ending.enter_context(server.running()))
        wait_until(lambda: server.log.read_text()[len(said) :].count("FATAL") > 1 or url.done())
        go_on.touch()
        assert ask(url.result(60)) == 2
    assert not postmasters(server)


@pytest.mark.parametrize("rival", ["dead", "alive"])
def test_a_stale_pid_file_is_no_obstacle(settings: Settings, rival: str) -> None:
    server = EmbeddedServer(settings)
    with server.running():
        left = (server.data / "postmaster.pid").read_text().split("\n")
    account = None if os.geteuid() else pwd.getpwuid(server.data.stat().st_uid)
    with subprocess.Popen(["sleep", "60"], user=account.pw_uid if account else None) as stranger:
        if rival == "dead":
            stranger.kill()
            stranger.wait()
        stale = server.data / "postmaster.pid"
        stale.write_text("\n".join([str(stranger.pid), *left[1:]]))
        shutil.chown(stale, server.data.stat().st_uid, server.data.stat().st_gid)
        stale.chmod(0o600)
        with server.running() as url:
            assert ask(url) == 2
        assert rival == "dead" or stranger.poll() is None, "the stranger must not be touched"
        stranger.kill()


def test_somebody_elses_process_in_its_folder_is_no_server(tmp_path: Path) -> None:
    server = EmbeddedServer(settings_of("plain", tmp_path))
    with server.running():
        pass
    with subprocess.Popen(["sleep", "60"], cwd=server.data) as stranger:
        with server.running() as url:
            assert ask(url) == 2
        assert stranger.poll() is None
        stranger.kill()


def test_an_interrupted_first_start_is_done_again(settings: Settings) -> None:
    server = EmbeddedServer(settings)
    (server.folder / "data.new" / "base").mkdir(parents=True)
    (server.folder / "data").mkdir()
    with server.running() as url:
        assert ask(url) == 2


def test_a_home_too_deep_for_a_socket_gets_its_socket_elsewhere(edition: str, tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    with EmbeddedServer(settings_of(edition, deep)).running() as url:
        assert ask(url) == 2


def test_a_home_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    settings = Settings(home_path=str(tmp_path / "file" / "home"))
    with pytest.raises(SettingError, match=r"file/home.*BTCQL_HOME"), EmbeddedServer(settings).running():
        pass


def test_a_database_of_a_server_that_is_gone_is_not_touched(settings: Settings) -> None:
    server = EmbeddedServer(settings)
    with server.running():
        pass
    (server.folder / "origin.json").write_text('{"major": 11, "timescaledb": true}')
    with (
        pytest.raises(DatabaseError, match=r"PostgreSQL 11 with TimescaleDB.*not installed"),
        server.running(),
    ):
        pass


def test_a_folder_without_a_server_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="BTCQL_PG_BIN"):
        find_installations(str(tmp_path))


@pytest.fixture
def silent_port() -> Iterator[int]:
    import socket  # noqa: PLC0415 - only here

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def test_a_wrong_address_is_one_clear_line_without_its_password(silent_port: int) -> None:
    url = f"postgresql://user:s3cret@127.0.0.1:{silent_port}/prices"
    started = time.monotonic()
    with (
        pytest.raises(DatabaseUnavailableError, match="BTCQL_DATABASE_URL") as caught,
        opened(Settings(database_url=url)),
    ):
        pass
    assert "s3cret" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert time.monotonic() - started < 30
