"""What becomes of an export when something happens in the middle of it."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import httpx
import pandas as pd
import psycopg
import pytest

from btcql.settings import Settings
from graphql_api.export import bars as exports
from graphql_api.export import endpoint
from graphql_api.resolvers import read_bars
from tests.api.markets import load, numbered
from tests.api.serving import Api, serving, wait_for
from tests.conftest import Database

pytestmark = pytest.mark.parametrize("edition", ["plain"], indirect=True, scope="session")

ALL = "/export/candles.csv?symbol=DAY-USD&last=ALL"
BUSY = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'btcql-api' AND state <> 'idle'"


@pytest.fixture
def days() -> pd.DataFrame:
    return numbered("2023-12-01", 41)


@pytest.fixture
def loaded(database: Database, days: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    """A market of 41 days, exported ten at a time."""
    load(database.url, "DAY-USD", days, "bitstamp")
    monkeypatch.setattr(exports, "_PIECE", 10)
    with serving(database.reader_url) as running:
        yield running


@pytest.fixture
def admin(database: Database, loaded: Api) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(database.url, autocommit=True) as connection:
        yield connection


def at_piece(number: int, happens: Callable[[], object]) -> Callable[..., Awaitable[Any]]:
    """Return `read_bars` that lets something happen before it reads the piece of this number."""
    pieces = iter(range(1, 100))

    async def read(*args: Any) -> Any:
        if next(pieces) == number:
            happens()
        return await read_bars(*args)

    return read


def test_a_file_is_of_one_version_of_the_data(
    database: Database, loaded: Api, days: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = loaded.http.get(ALL)
    corrected = days.assign(**{name: days[name] + 1000 for name in ("open", "high", "low", "close")})
    corrected = corrected.drop([days.index[0], days.index[-2]])

    def correct() -> None:
        load(database.url, "DAY-USD", corrected, "bitstamp", "coinbase")

    monkeypatch.setattr(exports, "read_bars", at_piece(3, correct))
    during = loaded.http.get(ALL)
    assert (during.content, during.headers["etag"]) == (before.content, before.headers["etag"])
    after = loaded.http.get(ALL, headers={"if-none-match": before.headers["etag"]})
    assert after.status_code == 200
    assert after.content != before.content


def test_a_file_that_cannot_be_finished_is_broken_off(
    loaded: Api, admin: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def kill() -> None:
        admin.execute(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
            " WHERE application_name = 'btcql-api'"
        )

    monkeypatch.setattr(exports, "read_bars", at_piece(3, kill))
    with loaded.http.stream("GET", ALL) as answer:
        assert answer.status_code == 200
        received: list[bytes] = []
        with pytest.raises(httpx.RemoteProtocolError):
            received.extend(answer.iter_bytes())
    assert len(b"".join(received).splitlines()) < 42
    assert len(loaded.http.get(ALL).content.splitlines()) == 42


def test_a_failure_before_the_first_byte_is_said_as_such(
    loaded: Api, admin: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def vanish() -> None:
        raise psycopg.OperationalError("gone: to a place that is nobody's business")

    async def failing(*_: Any) -> Any:
        vanish()

    monkeypatch.setattr(exports, "read_bars", failing)
    answer = loaded.http.get(ALL)
    (error,) = answer.json()["errors"]
    assert (answer.status_code, error["extensions"]["code"]) == (500, "INTERNAL")
    assert "business" not in error["message"]


def test_exports_leave_sessions_to_others_and_give_theirs_back_when_the_client_leaves(
    database: Database, loaded: Api, admin: psycopg.Connection[Any]
) -> None:
    url = loaded.http.base_url
    with ExitStack() as stack, psycopg.connect(database.url) as locking:
        locking.execute("LOCK TABLE candle_day IN ACCESS EXCLUSIVE MODE")
        for _ in range(3):
            client = stack.enter_context(socket.create_connection((url.host, url.port or 0)))
            client.sendall(f"GET {ALL} HTTP/1.1\r\nhost: x\r\n\r\n".encode())
        wait_for(lambda: admin.execute(BUSY).fetchone() == (3,))
        refused = loaded.http.get(ALL)
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
        assert refused.json()["errors"][0]["extensions"]["code"] == "DATABASE_UNAVAILABLE"
        assert loaded.ask("{ markets { symbol } }") == {"markets": [{"symbol": "DAY-USD"}]}
        stack.close()  # the clients leave; the table stays locked
        wait_for(lambda: admin.execute(BUSY).fetchone() == (0,))
    assert loaded.http.get(ALL).status_code == 200


def test_an_export_waits_for_its_turn(
    database: Database, loaded: Api, admin: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoint, "_WAIT_SECONDS", 60.0)
    with ThreadPoolExecutor(4) as pool, psycopg.connect(database.url) as locking:
        locking.execute("LOCK TABLE candle_day IN ACCESS EXCLUSIVE MODE")
        first = [pool.submit(loaded.http.get, ALL) for _ in range(3)]
        wait_for(lambda: admin.execute(BUSY).fetchone() == (3,))
        fourth = pool.submit(loaded.http.get, ALL)
        with pytest.raises(TimeoutError):
            fourth.result(0.3)
        locking.rollback()
        assert [each.result(60).status_code for each in (*first, fourth)] == [200] * 4


def test_an_operator_can_set_how_many_bars_a_file_may_have(database: Database, days: pd.DataFrame) -> None:
    load(database.url, "DAY-USD", days, "bitstamp")
    with serving(database.reader_url, settings=Settings(export_bars_text="40")) as api:
        answer = api.http.get(ALL)
        (error,) = answer.json()["errors"]
        assert answer.status_code == 413
        assert error["extensions"] == {
            "code": "RANGE_TOO_LARGE",
            "maxPoints": 40,
            "suggestedInterval": "WEEK",
        }
        assert api.http.get("/export/candles.csv?symbol=DAY-USD&lastDays=40").status_code == 200
