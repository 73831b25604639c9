"""The schedule over a real database; its clock is wound by its waiting, its refresh is the test's."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from btcql.errors import DatabaseUnavailableError, PipelineError, SettingError
from btcql.rhythm import JITTER
from database.connection import connected
from database.runs import recorded, schedule_lock
from etl.notify import addresses
from etl.schedule import Schedule
from tests.conftest import fresh_database
from tests.etl.webhook import Webhook, webhook

START = datetime(2024, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)


@dataclass
class World:
    """A database's schedule; `runs` are the refreshes' times, `trouble` what a refresh meets at a time."""

    url: str
    hook: Webhook
    now: datetime = START
    until: datetime = START
    markets: list[str] = field(default_factory=lambda: ["BTC-USD"])
    runs: list[tuple[str, datetime]] = field(default_factory=list)
    trouble: Callable[[datetime], BaseException | None] = lambda _: None

    def refresh(self, market: str) -> int:
        self.runs.append((market, self.now))
        error = self.trouble(self.now)
        self.now += timedelta(minutes=1)
        if error is not None:
            raise error
        return 24

    def wait(self, seconds: float) -> bool:
        assert seconds >= 0
        self.now += timedelta(seconds=max(seconds, 1))
        return self.now >= self.until

    def live(self, until: datetime) -> None:
        """Let the schedule run up to an instant; it is another process each time."""
        self.until = until
        daily = Schedule(
            self.url,
            lambda: self.markets,
            self.refresh,
            lambda: self.now,
            self.wait,
            addresses([self.hook.url]),
        )
        with schedule_lock(self.url) as lock:
            assert lock.take()
            daily.run(lock)

    def rows(self, query: str) -> list[tuple[object, ...]]:
        with connected(self.url) as connection:
            return connection.execute(query.encode()).fetchall()

    @property
    def days(self) -> list[str]:
        return [f"{at:%d}" for _, at in self.runs]


@pytest.fixture(scope="module")
def plain_url(start_server: Callable[[str], str]) -> str:
    return start_server("plain")


@pytest.fixture
def world(plain_url: str) -> Iterator[World]:
    with fresh_database(plain_url, "plain") as database, webhook() as hook:
        yield World(database.url, hook)


def test_the_first_refresh_is_at_once_and_then_one_a_day_at_0040(world: World) -> None:
    world.live(START + 3 * DAY)
    assert world.days == ["01", "02", "03", "04"]
    assert world.runs[0][1] == START
    for _, at in world.runs[1:]:
        due = at.replace(hour=0, minute=40, second=0, microsecond=0)
        assert due <= at <= due + JITTER
    assert world.rows("SELECT DISTINCT state, rows, attempt FROM pipeline_run") == [("succeeded", 24, 1)]
    assert world.hook.told == []


def test_a_machine_that_slept_six_days_catches_up_once(world: World) -> None:
    world.live(START + DAY)
    world.now += 6 * DAY
    slept = len(world.runs)
    world.live(world.now + timedelta(hours=3))
    assert len(world.runs) == slept + 1


def test_a_refresh_of_somebody_else_counts(world: World) -> None:
    with recorded(world.url, "BTC-USD", "refresh", lambda: START - timedelta(hours=1)):
        pass
    world.live(START + timedelta(hours=6))
    assert world.runs == []
    with recorded(world.url, "BTC-USD", "import", lambda: START + DAY):
        pass
    world.live(START + DAY)
    assert world.days == ["02"], "an import is no refresh"


def test_a_failure_is_told_once_tried_again_more_slowly_and_its_recovery_told_once(world: World) -> None:
    broken = START + DAY
    world.trouble = lambda now: PipelineError("no bars today") if now < broken else None
    world.live(START + timedelta(hours=4))
    pauses = [later - at for (_, at), (_, later) in zip(world.runs, world.runs[1:], strict=False)]
    assert [round(pause / timedelta(minutes=1)) for pause in pauses] == [6, 11, 21, 41, 81]
    world.live(START + 3 * DAY)
    assert world.hook.told == [
        ("btcql: BTC-USD is not refreshed", "the refresh of BTC-USD failed: no bars today"),
        ("btcql: BTC-USD is refreshed again", "the refresh of BTC-USD succeeds again"),
    ]
    first = "SELECT attempt, state, error FROM pipeline_run ORDER BY run_id LIMIT 1"
    assert world.rows(first) == [(1, "failed", "no bars today")]
    assert world.days[-2:] == ["03", "04"]


def test_the_trouble_of_one_market_is_not_anothers(world: World) -> None:
    world.markets = ["AAA-USD", "BTC-USD"]
    world.trouble = lambda _: ZeroDivisionError("a bug") if world.runs[-1][0] == "AAA-USD" else None
    world.live(START + timedelta(minutes=4))
    states = "SELECT market, state FROM pipeline_run ORDER BY run_id"
    assert world.rows(states) == [("AAA-USD", "failed"), ("BTC-USD", "succeeded")]


def test_what_a_webhook_does_not_take_is_told_later_and_stops_nothing(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.hook.status = 503
    world.trouble = lambda _: PipelineError("down")
    with caplog.at_level(logging.WARNING):
        world.live(START + timedelta(minutes=20))
    assert world.hook.told == []
    assert world.hook.refused >= 3
    assert "was not taken by json://***" in caplog.text
    assert "secret" not in caplog.text
    world.hook.status = 200
    world.live(world.now + timedelta(hours=2))
    assert len(world.hook.told) == 1


def test_a_killed_schedule_leaves_a_run_that_the_next_one_closes_and_does_again(world: World) -> None:
    world.trouble = lambda _: SystemExit("killed")
    with pytest.raises(SystemExit):
        world.live(START + DAY)
    with connected(world.url) as connection:  # as a process leaves it that had no time for a word
        connection.execute("UPDATE pipeline_run SET state = 'running', ended_at = NULL, error = NULL")
    world.trouble = lambda _: None
    world.live(START + timedelta(hours=1))
    states = "SELECT state, attempt FROM pipeline_run ORDER BY run_id"
    assert world.rows(states) == [("interrupted", 1), ("succeeded", 1)]
    assert world.hook.told == []


def test_a_schedule_that_loses_its_database_says_so_and_is_taken_up_again(world: World) -> None:
    def cut(_: datetime) -> BaseException | None:
        with connected(world.url) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        return None

    world.trouble = cut
    with pytest.raises(DatabaseUnavailableError):
        world.live(START + DAY)
    assert world.rows("SELECT state FROM pipeline_run") == [("succeeded",)]
    world.trouble = lambda _: None
    world.live(START + timedelta(hours=6))
    assert len(world.runs) == 1, "what was done is not done again"


def test_only_one_schedule_serves_a_database(world: World) -> None:
    with schedule_lock(world.url) as lock, schedule_lock(world.url) as other:
        assert (lock.take(), other.take()) == (True, False)
    with schedule_lock(world.url) as other:
        assert other.take()


def test_a_stale_market_is_told_once_and_once_more_when_it_is_fresh(world: World) -> None:
    def load(through: str) -> None:
        with connected(world.url) as connection:
            connection.execute(
                "INSERT INTO load (symbol, month, sources, input_sha256, raw_objects, rows, first_ts,"
                " complete_through) VALUES ('BTC-USD', '2024-03-01', '{bitstamp}', '', '[]', 1, '2024-03-01',"
                " %s::timestamptz) ON CONFLICT (symbol, month)"
                " DO UPDATE SET complete_through = excluded.complete_through",
                [through],
            )

    load("2024-03-01T00:00Z")
    world.live(START + 3 * DAY)
    load("2024-03-04T00:00Z")
    world.live(world.now + timedelta(minutes=1))
    assert [text for _, text in world.hook.told] == [
        "BTC-USD is stale: its bars end at 2024-03-01 00:00 UTC",
        "BTC-USD is up to date again: its bars end at 2024-03-04 00:00 UTC",
    ]


def test_an_address_that_nothing_can_be_sent_to_is_refused_without_its_secret() -> None:
    with pytest.raises(SettingError, match="address 2") as refused:
        addresses(["json://localhost", "nonsense://user:secret@host"])
    assert "secret" not in str(refused.value)
