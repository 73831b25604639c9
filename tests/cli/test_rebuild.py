"""The database made anew from the lake alone: equal to the one that grew, which serves until then."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from threading import Event, Thread

import pytest

from database.connection import connected
from database.server import EmbeddedServer, opened
from database.status import read_status
from tests.api.markets import issue_forecast
from tests.api.serving import Api, serving
from tests.cli.conftest import Command
from tests.cli.files import daily_rows, write_csv
from tests.database.hashes import table_hashes

DAYS = 450
DATABASES = "SELECT datname::text FROM pg_database WHERE datname LIKE 'btcql%' ORDER BY 1"


def grow(btcql: Command, folder: Path) -> None:
    """Fill the database in steps: an import with its forecast, a correction, another market."""
    rows = daily_rows(DAYS)
    btcql.succeed("import", write_csv(folder / "a.csv", rows), "--source", "bitstamp")
    rows[40] = rows[40].replace(",12.5", ",13.5")
    btcql.succeed("import", write_csv(folder / "b.csv", rows[30:60]), "--source", "bitstamp")
    btcql.succeed("import", write_csv(folder / "c.csv", rows[:20]), "--symbol", "ETH-USD")


def read_status_of(url: str) -> list[tuple[str, str]]:
    with connected(url) as connection:
        return read_status(connection)


def wait_for_jobs(admin_url: str) -> None:
    """Wait until TimescaleDB's scheduler works in the database, as before."""
    scheduler = (
        "SELECT true FROM pg_stat_activity"
        " WHERE datname = current_database() AND backend_type = 'TimescaleDB Background Worker Scheduler'"
    )
    deadline = time.monotonic() + 60
    with connected(admin_url, autocommit=True) as connection:
        while not connection.execute(scheduler.encode()).fetchone():
            assert time.monotonic() < deadline
            time.sleep(0.1)


@contextmanager
def asking(api: Api) -> Iterator[list[str]]:
    """Ask the API without a pause; what it answered other than the price is collected."""
    wrong: list[str] = []
    ended = Event()
    expected = api.market("price { value }")

    def ask() -> None:
        while not ended.is_set():
            answer = api.post('{ market(symbol: "BTC-USD") { price { value } } }').json()
            if answer.get("data") != {"market": expected}:
                wrong.append(str(answer))

    thread = Thread(target=ask)
    thread.start()
    try:
        yield wrong
    finally:
        ended.set()
        thread.join(60)


def test_it_equals_the_one_that_grew_and_the_api_answers_on(btcql: Command, tmp_path: Path) -> None:
    grow(btcql, tmp_path)
    with opened(btcql.settings) as url, serving(url) as api:
        before = table_hashes(url)
        issued = btcql.rows("SELECT * FROM forecast ORDER BY forecast_id")
        community = dict(read_status_of(url))["edition"].startswith("community")
        with connected(url) as connection:
            if community:
                connection.execute("SELECT add_retention_policy('scaled_candle', INTERVAL '300 years')")
            connection.execute("UPDATE scaled_candle SET close = high WHERE symbol = 'ETH-USD'")
            connection.execute("DELETE FROM scaled_candle WHERE symbol = 'BTC-USD' AND ts < '2022-06-01'")
        with asking(api) as wrong:
            said = btcql.succeed("rebuild")
        assert f"{DAYS + 20} rows written" in said
        assert ("drops bars after 300 years is not carried over" in said) == community
        assert table_hashes(url) == before
        assert wrong == []
        assert btcql.rows("SELECT * FROM forecast ORDER BY forecast_id") == issued
        assert btcql.rows(DATABASES) == [("btcql",)]
        if community:
            wait_for_jobs(EmbeddedServer(btcql.settings).admin_url)
        # the numbers of its rows go on
        issue_forecast(url, "BTC-USD", date(2023, 1, 5), datetime(2023, 1, 6, 1, tzinfo=UTC))
        assert btcql.rows("SELECT count(*) FROM forecast") == [(len(issued) + 1,)]


# What is seen at the moment of the kill; and a lock of another session that keeps the rebuild there.
_MOMENTS = {
    "while it loads": ("SELECT true FROM pg_database WHERE datname = 'btcql_rebuild'", "SELECT"),
    "when all is loaded": (
        ("SELECT true FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'LOCK TABLE%'"),
        "LOCK forecast IN ACCESS EXCLUSIVE MODE",
    ),
}


@pytest.mark.parametrize(("seen", "hold"), _MOMENTS.values(), ids=_MOMENTS.keys())
def test_killed_it_leaves_the_old_one(plain_btcql: Command, tmp_path: Path, seen: str, hold: str) -> None:
    plain_btcql.succeed("import", write_csv(tmp_path / "a.csv", daily_rows(DAYS)))
    with opened(plain_btcql.settings) as url:
        before = table_hashes(url)
        with connected(url) as holder, plain_btcql.start("rebuild") as process:
            holder.execute(hold.encode())
            plain_btcql.wait_for(seen, process)
            process.kill()
        assert process.returncode == -signal.SIGKILL
        assert table_hashes(url) == before
        plain_btcql.succeed("rebuild")
        assert table_hashes(url) == before
        assert plain_btcql.rows(DATABASES) == [("btcql",)]


def test_months_that_only_the_database_has_are_not_lost(plain_btcql: Command, tmp_path: Path) -> None:
    plain_btcql.succeed("import", write_csv(tmp_path / "a.csv", daily_rows(60)))
    plain_btcql.environment["BTCQL_LAKE"] = str(tmp_path / "another lake")
    said = plain_btcql.fail("rebuild")
    assert "BTC-USD in 3 months" in said
    assert "BTCQL_LAKE" in said
    assert plain_btcql.rows("SELECT sum(rows) FROM load") == [(60,)]
    assert plain_btcql.rows(DATABASES) == [("btcql",)]
