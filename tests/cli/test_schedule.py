"""`btcql schedule`, alone and beside `btcql up`."""

from __future__ import annotations

import signal
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import httpx
import psutil
import pytest

from btcql import cli
from btcql.cli import schedule
from btcql.errors import DatabaseUnavailableError
from database.migrate import migrate
from database.runs import ScheduleLock, schedule_lock
from database.server import opened
from tests.cli.conftest import LIMIT_SECONDS, Command
from tests.cli.files import daily_rows, write_csv
from tests.cli.test_up import ask, up


def schedule_of(command: Command, *, other_than: int = 0) -> psutil.Process:
    """Wait for the home's schedule to run, and return it."""
    deadline = time.monotonic() + LIMIT_SECONDS
    while time.monotonic() < deadline:
        for process in command.processes():
            with suppress(psutil.Error):  # it ended meanwhile
                if process.pid != other_than and "schedule" in process.cmdline():
                    return process
        time.sleep(0.1)
    raise AssertionError("no schedule runs")


def test_up_runs_the_schedule_and_starts_it_again_when_it_was_killed(
    plain_btcql: Command, tmp_path: Path
) -> None:
    plain_btcql.succeed("import", write_csv(tmp_path / "days.csv", daily_rows(30)))
    with up(plain_btcql):
        first = schedule_of(plain_btcql)
        first.kill()
        assert schedule_of(plain_btcql, other_than=first.pid).is_running()
        deadline = time.monotonic() + LIMIT_SECONDS
        asked = "{ market { freshness { nextRefreshAt } } pipeline { state lastSuccessAt } }"
        while (data := ask(plain_btcql, asked)["data"])["market"]["freshness"]["nextRefreshAt"] is None:
            assert time.monotonic() < deadline
            time.sleep(0.2)
        luigi = httpx.get(f"http://127.0.0.1:{plain_btcql.settings.luigid_port}/metrics").text
        figures = httpx.get(f"http://127.0.0.1:{plain_btcql.settings.port}/metrics").text
    assert "luigi_task_done_total" in luigi
    assert 'btcql_rows{market="BTC-USD"} 30.0' in figures
    assert data["pipeline"]["state"] == "succeeded"
    planned = datetime.fromisoformat(data["market"]["freshness"]["nextRefreshAt"])
    assert planned > datetime.now(UTC)
    assert (planned.hour, planned.minute // 10) == (0, 4)
    runs = "SELECT task, state, rows FROM pipeline_run ORDER BY run_id"
    assert plain_btcql.rows(runs) == [("import", "succeeded", 30), ("refresh", "succeeded", 0)]


def test_a_schedule_refreshes_at_once_what_never_was_and_another_stands_by(
    plain_btcql: Command, tmp_path: Path
) -> None:
    plain_btcql.succeed("import", write_csv(tmp_path / "days.csv", daily_rows(30)))
    done = "SELECT count(*) = 1 FROM pipeline_run WHERE task = 'refresh' AND state = 'succeeded'"
    with plain_btcql.start("schedule") as first:
        plain_btcql.wait_for(done, first)
        assert "is on time" in plain_btcql.succeed("schedule", "--check")
        with plain_btcql.start("schedule") as second:
            assert second.stdout is not None
            assert any("standing by" in line for line in second.stdout)
            first.send_signal(signal.SIGTERM)
            out, err = first.communicate(timeout=LIMIT_SECONDS)
            assert "BTC-USD: 0 rows written" in out
            assert err.strip().splitlines()[0] == "btcql: stopping"
            second.send_signal(signal.SIGTERM)
            second.communicate(timeout=LIMIT_SECONDS)
            assert (first.returncode, second.returncode) == (0, 0), "told to end, they end well"
    assert plain_btcql.rows("SELECT count(*) FROM pipeline_run WHERE task = 'refresh'") == [(1,)]
    assert "no schedule serves this database" in plain_btcql.fail("schedule", "--check")


def test_a_schedule_for_once_does_what_is_due_and_fails_while_a_market_is_not_refreshed(
    plain_btcql: Command, tmp_path: Path
) -> None:
    with opened(plain_btcql.settings) as url:  # the server stays up between the commands
        file = write_csv(tmp_path / "days.csv", daily_rows(30))
        plain_btcql.succeed("import", file, "--source", "bitstamp")
        assert "every market is up to date" in plain_btcql.succeed("schedule", "--once")
        assert plain_btcql.rows("SELECT kind FROM pipeline_event") == [], "a file's end is nobody's delay"
        plans = "SELECT next_at > now(), failures FROM pipeline_plan"
        assert plain_btcql.rows(plans) == [(True, 0)]
        with schedule_lock(url) as lock:
            assert lock.take()
            assert "another schedule serves this database" in plain_btcql.fail("schedule", "--once")
        plain_btcql.rows("UPDATE pipeline_run SET started_at = started_at - interval '2 days' RETURNING 1")
        plain_btcql.rows("UPDATE pipeline_plan SET next_at = now() RETURNING 1")
        (manifest,) = plain_btcql.settings.home.glob("lake/raw/*/*/*/*/manifest.json")
        manifest.write_text("not JSON")
        ended = plain_btcql.run("schedule", "--once")
        assert plain_btcql.rows(plans) == [(True, 1)]
    assert ended.returncode == 1
    assert "not every market could be refreshed: BTC-USD is tried again from " in ended.stderr


def test_a_schedule_ends_even_if_another_error_hides_that_it_was_told_to(
    plain_btcql: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Told:
        runs = 0

        def run(self, _: ScheduleLock) -> None:
            self.runs += 1
            try:
                cli.interrupt_quietly()
            except KeyboardInterrupt:
                raise DatabaseUnavailableError("the database went away meanwhile") from None

    told = Told()
    monkeypatch.setattr(cli, "_told", False)
    monkeypatch.setattr(schedule, "_daily", lambda *_: told)
    with opened(plain_btcql.settings) as url:
        migrate(url)
        schedule._keep(SimpleNamespace(database_url=url), [])  # type: ignore[arg-type]
    assert told.runs == 1
