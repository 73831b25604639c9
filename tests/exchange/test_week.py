"""A week of the real schedule, pipeline, luigid and database, against a local exchange and a wound clock."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest

from btcql.cli.fetch import Order
from btcql.cli.pipeline import Pipeline, pipeline
from btcql.cli.progress import rows
from btcql.records import Timeframe
from btcql.settings import Settings
from database.connection import connected
from database.runs import schedule_lock
from etl.backfill import Series
from etl.notify import addresses
from etl.schedule import Schedule
from tests.cli.conftest import LIMIT_SECONDS, Command, command_in, free_port
from tests.conftest import fresh_database
from tests.etl.webhook import Webhook, webhook
from tests.exchange.server import Exchanges, Fault, exchanges

FIRST = date(2024, 2, 20)
START = datetime(2024, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
SERIES = Series("bitstamp", "BTC-USD", Timeframe.HOUR)
DOWN = Fault(status=503)


@dataclass
class World:
    """A home whose time is the exchange's, and goes on while the schedule waits."""

    running: Pipeline
    exchange: Exchanges
    hook: Webhook
    until: datetime = START
    down_on: set[date] = field(default_factory=set)

    def refresh(self, market: str) -> int:
        self.exchange.faults.clear()
        if self.exchange.now.date() in self.down_on:
            self.down_on.remove(self.exchange.now.date())
            self.exchange.meet(DOWN, times=1000)
        return rows(self.running.refresh(market))

    def wait(self, seconds: float) -> bool:
        self.exchange.now += timedelta(seconds=max(seconds, 1))
        return self.exchange.now >= self.until

    def live(self, until: datetime) -> None:
        """Let a schedule, another one each time, run up to an instant."""
        self.until = until
        url = self.running.database_url
        daily = Schedule(
            url,
            self.running.lake.symbols,
            self.refresh,
            self.running.now,
            self.wait,
            addresses([self.hook.url]),
        )
        with schedule_lock(url) as lock:
            assert lock.take()
            daily.run(lock)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with connected(self.running.database_url) as connection:
            return connection.execute(query.encode()).fetchall()

    def hours(self) -> tuple[int, datetime]:
        """How many hours are loaded, and the last of them."""
        (found,) = self.rows("SELECT count(*), max(ts) FROM candle")
        return found[0], found[1]


@contextmanager
def begun(url: str, home: Path) -> Iterator[World]:
    """A market whose hours are in, up to the last closed day."""
    with exchanges(START) as exchange, webhook() as hook:
        settings = Settings(
            home_path=str(home),
            database_url=url,
            luigid_port_text=str(free_port()),
            exchange_url=exchange.url,
            exchange_patience_text="1",
        )
        with pipeline(settings) as started:
            running = replace(started, now=lambda: exchange.now)
            running.ingest(Order(SERIES, FIRST, START.date()))
            yield World(running, exchange, hook)


def test_a_week_of_days_is_refreshed_each_once_through_a_failure_a_restart_and_six_days_of_sleep(
    start_server: Callable[[str], str], tmp_path: Path
) -> None:
    with (
        fresh_database(start_server("plain"), "plain") as database,
        begun(database.url, tmp_path / "home") as world,
    ):
        world.down_on = {date(2024, 3, 5)}
        world.live(START + 4.5 * DAY)
        world.live(START + 7 * DAY)
        started = "SELECT started_at::date::text, error FROM pipeline_run WHERE state = '{}' ORDER BY run_id"
        first, *daily = [day for day, _ in world.rows(started.format("succeeded"))]
        assert first == "2024-03-01", "what was never refreshed is, at once"
        assert daily == [f"2024-03-0{day}" for day in range(2, 9)]
        failed = world.rows(started.format("failed"))
        assert [day for day, _ in failed] == ["2024-03-05"]
        assert "bitstamp" in failed[0][1]
        told = [title for title, _ in world.hook.told]
        assert told == ["btcql: BTC-USD is not refreshed", "btcql: BTC-USD is refreshed again"]
        days = (date(2024, 3, 8) - FIRST).days + FIRST.day - 1  # whole months are fetched
        assert world.hours() == (24 * days, datetime(2024, 3, 7, 23, tzinfo=UTC))

        world.exchange.now += 6 * DAY
        asleep = len(world.rows("SELECT FROM pipeline_run"))
        world.live(world.exchange.now + timedelta(hours=3))
        assert len(world.rows("SELECT FROM pipeline_run")) == asleep + 1
        assert world.hours() == (24 * (days + 6), datetime(2024, 3, 13, 23, tzinfo=UTC))
        assert len(world.hook.told) == 2


@pytest.fixture
def exchanged(tmp_path: Path) -> Iterator[tuple[Command, Exchanges]]:
    """The command with an exchange; at the end nothing of it may still run."""
    with exchanges(datetime.now(UTC)) as served:
        command = command_in(tmp_path / "home", "plain", BTCQL_EXCHANGE_URL=served.url)
        yield command, served
        _, left = psutil.wait_procs(command.processes(), timeout=30)
        for process in left:
            process.kill()
        assert not left


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_a_schedule_that_is_killed_while_it_asks_is_taken_up_by_the_next(
    exchanged: tuple[Command, Exchanges],
) -> None:
    command, served = exchanged
    since = f"{served.now - 5 * DAY:%Y-%m-%d}"
    command.succeed(
        "ingest", "--from", since, "--to", f"{served.now - 4 * DAY:%Y-%m-%d}", "--timeframe", "1d"
    )
    served.latency_seconds = 600
    asked = len(served.asked)
    with command.start("schedule") as killed:
        command.wait_for("SELECT count(*) = 1 FROM pipeline_run WHERE state = 'running'", killed)
        while len(served.asked) == asked:
            assert killed.poll() is None
        killed.kill()
    served.latency_seconds = 0
    with command.start("schedule") as following:
        command.wait_for(
            "SELECT count(*) = 1 FROM pipeline_run WHERE task = 'refresh' AND state = 'succeeded'", following
        )
        following.send_signal(signal.SIGTERM)
        following.communicate(timeout=LIMIT_SECONDS)
    states = "SELECT state FROM pipeline_run WHERE task = 'refresh' ORDER BY run_id"
    assert command.rows(states) == [("interrupted",), ("succeeded",)]
    assert command.rows("SELECT count(*) FROM pipeline_event") == [(0,)]
