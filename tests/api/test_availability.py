"""The API outlives its database."""

from __future__ import annotations

import socket
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from database.address import with_database
from database.migrate import migrate
from database.pool import Pool
from database.server import EmbeddedServer
from graphql_api import app
from tests.api.markets import load, numbered
from tests.api.serving import Api, serving, wait_for
from tests.conftest import Database, settings_of

SYMBOLS = "{ markets { symbol } }"


def unavailable(api: Api, query: str = SYMBOLS) -> bool:
    response = api.post(query)
    if response.status_code != 503:
        return False
    (error,) = response.json()["errors"]
    assert error["extensions"] == {"code": "DATABASE_UNAVAILABLE", "retryAfter": 5}
    assert response.headers["retry-after"] == "5"
    assert "connection" not in error["message"]
    return True


def test_without_a_database_the_api_is_up_and_says_so() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"postgresql://nobody@127.0.0.1:{taken.getsockname()[1]}/none"
        with serving(url) as api:
            assert unavailable(api)
            assert api.http.get("/healthz").status_code == 200
            ready = api.http.get("/readyz")
            assert (ready.status_code, ready.headers["retry-after"]) == (503, "5")
            assert api.error("{ nothing }")["extensions"]["code"] == "BAD_USER_INPUT"


def test_a_database_without_its_schema_is_not_ready(server_url: str) -> None:
    with serving(with_database(server_url, "postgres")) as api:
        assert unavailable(api)
        assert api.http.get("/readyz").status_code == 503


def test_a_database_that_says_nothing_does_not_answer() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as mute,
        serving(f"postgresql://nobody@127.0.0.1:{mute.getsockname()[1]}/none") as api,
    ):
        (error,) = api.post(SYMBOLS).json()["errors"]
    assert error["message"] == "the database does not answer just now: ask again in 5 seconds"


def test_sessions_killed_by_the_server_are_replaced_unnoticed(database: Database) -> None:
    load(database.url, "DAY-USD", numbered("2023-12-01", 3), "bitstamp")
    with serving(database.url) as api, psycopg.connect(database.url, autocommit=True) as admin:
        for _ in range(3):
            assert api.ask(SYMBOLS) == {"markets": [{"symbol": "DAY-USD"}]}
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'btcql-api'"
            )


def test_the_api_comes_back_with_its_database(edition: str, tmp_path: Path) -> None:
    server = EmbeddedServer(settings_of(edition, tmp_path / "home"))
    with server.running() as url:
        migrate(url)
        load(url, "DAY-USD", numbered("2023-12-01", 3), "bitstamp")
    with serving(url) as api:
        wait_for(lambda: unavailable(api))
        with server.running():
            wait_for(lambda: api.post(SYMBOLS).status_code == 200)
            # what is kept may be heard of sooner than a session can be had
            wait_for(lambda: api.http.get("/readyz").status_code == 200)
            for _ in range(3):  # so that the request itself is known
                wait_for(lambda: "extensions" not in api.post(SYMBOLS).json())
        wait_for(lambda: unavailable(api, "{ markets { base } }"))
        kept = api.post(SYMBOLS)
        assert kept.status_code == 200
        body = kept.json()
        assert body["data"] == {"markets": [{"symbol": "DAY-USD"}]}
        assert [warning["code"] for warning in body["extensions"]["warnings"]] == ["STALE"]
        assert kept.headers["age"] == "0", "by the API's clock, which stands"
        with server.running():
            wait_for(lambda: "extensions" not in api.post(SYMBOLS).json())
            # what is kept may be heard of sooner than a session can be had
            wait_for(lambda: api.http.get("/readyz").status_code == 200)


@pytest.mark.parametrize(
    ("why", "now", "last_day", "stale"),
    [
        ("a day is not complete before it has settled", "2023-12-31T00:34:59", "2023-12-29", False),
        ("and is after 35 minutes", "2023-12-31T00:35:00", "2023-12-30", False),
        ("the refresh is not overdue until 01:05", "2024-01-01T01:04:59", "2023-12-30", False),
        ("and is from then on", "2024-01-01T01:05:00", "2023-12-30", True),
    ],
)
def test_what_is_complete_and_stale_follows_the_clock(
    database: Database, why: str, now: str, last_day: str, stale: bool
) -> None:
    load(database.url, "DAY-USD", numbered("2023-12-01", 30), "bitstamp")  # through 2023-12-30
    instant = datetime.fromisoformat(now).replace(tzinfo=UTC)
    with serving(database.url, lambda: instant) as api:
        found = api.market(
            "freshness { stale } candles(range: {lastDays: 1}) { points { start } }", "DAY-USD"
        )
    assert found["candles"]["points"] == [{"start": f"{last_day}T00:00:00Z"}], why
    assert found["freshness"]["stale"] is stale, why


def test_a_statement_that_takes_too_long_is_a_timeout(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(database.url, "DAY-USD", numbered("2023-12-01", 3), "bitstamp")
    monkeypatch.setattr(app, "Pool", lambda url: Pool(url, statement_seconds=0.2))
    with serving(database.url) as api, psycopg.connect(database.url) as admin:
        admin.execute("LOCK TABLE load IN ACCESS EXCLUSIVE MODE")
        error = api.error(SYMBOLS)
    assert error["extensions"] == {"code": "TIMEOUT"}
    assert "0.2 s" in error["message"]
