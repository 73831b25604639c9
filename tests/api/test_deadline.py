"""No answer takes for ever: not for the client, not for the database, not for those who wait behind."""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any

import httpx
import psycopg
import pytest

from database.pool import Pool
from graphql_api import app, deadline
from tests.api.markets import load, numbered
from tests.api.serving import Api, serving, wait_for
from tests.conftest import Database

pytestmark = pytest.mark.parametrize("edition", ["plain"], indirect=True, scope="session")

THREE = '{ a: market(symbol: "DAY-USD") { symbol } b: markets { symbol } c: markets { symbol } }'
# far longer than any wait of these tests: what ends a query earlier is not the database's own clock
PATIENT = partial(Pool, statement_seconds=120)


class Held:
    """A database whose queries of markets wait, as if they took long, until they are let go."""

    def __init__(self, lock: psycopg.Connection[Any], watch: psycopg.Connection[Any]) -> None:
        self._lock, self._watch = lock, watch

    def running(self) -> int:
        """Return how many queries of the API are being worked at."""
        (found,) = self._watch.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name = 'btcql-api' AND state = 'active'"
        ).fetchone() or (0,)
        return int(found)

    def release(self) -> None:
        self._lock.rollback()


@contextmanager
def held(url: str) -> Iterator[Held]:
    with psycopg.connect(url) as lock, psycopg.connect(url, autocommit=True) as watch:
        lock.execute("LOCK TABLE load IN ACCESS EXCLUSIVE MODE")
        yield Held(lock, watch)


@pytest.fixture
def patient(database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    load(database.url, "DAY-USD", numbered("2023-12-01", 3), "bitstamp")
    monkeypatch.setattr(app, "Pool", PATIENT)
    with serving(database.url) as api:
        yield api


def test_a_client_that_leaves_takes_its_queries_with_it(patient: Api, database: Database) -> None:
    body = json.dumps({"query": THREE}).encode()
    with held(database.url) as holding:
        address = (patient.http.base_url.host, patient.http.base_url.port or 0)
        with socket.create_connection(address) as client:
            client.sendall(
                b"POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
                b"content-length: %d\r\n\r\n%s" % (len(body), body)
            )
            wait_for(lambda: holding.running() == 2, 60)  # the third waits for one of them
        wait_for(lambda: holding.running() == 0, 60)
        holding.release()
        assert patient.ask(THREE)["a"] == {"symbol": "DAY-USD"}


def test_an_answer_that_takes_too_long_is_a_timeout_and_its_queries_end(
    patient: Api, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deadline, "SECONDS", 0.5)
    with held(database.url) as holding:
        response = patient.post(THREE)
        (error,) = response.json()["errors"]
        assert (response.status_code, response.json()["data"]) == (200, None)
        assert error["extensions"] == {"code": "TIMEOUT"}
        assert "0.5 s" in error["message"]
        wait_for(lambda: holding.running() == 0, 60)


def test_when_all_sessions_are_taken_others_are_told_so_quickly(patient: Api, database: Database) -> None:
    with held(database.url) as holding, ThreadPoolExecutor(8) as clients:
        url = str(patient.http.base_url.join("/graphql"))
        waiting = [
            # each a question of its own, for one that several ask is read once
            clients.submit(httpx.post, url, json={"query": "{ markets { symbol } }" + " " * n}, timeout=120)
            for n in range(8)
        ]
        wait_for(lambda: holding.running() == 8, 60)
        began = time.monotonic()
        response = patient.post("{ server { edition } }")
        assert time.monotonic() - began < 10  # it waits for two
        assert (response.status_code, response.headers["retry-after"]) == (503, "5")
        (error,) = response.json()["errors"]
        assert error["extensions"] == {"code": "DATABASE_UNAVAILABLE", "retryAfter": 5}
        assert error["message"] == "too many questions wait for the database just now: ask again in 5 seconds"
        assert patient.http.get("/healthz").status_code == 200
        assert patient.http.get("/readyz").status_code == 503
        assert patient.ask('{ __type(name: "Price") { name } }') == {"__type": {"name": "Price"}}
        figures = patient.http.get("/metrics").text
        assert float(re.findall(r"^btcql_pool_refusals_total (\S+)", figures, re.MULTILINE)[0]) >= 1
        holding.release()
        assert [answer.result().status_code for answer in waiting] == [200] * 8
    assert patient.ask("{ server { edition } }") == {"server": {"edition": "plain"}}


def test_an_answer_of_many_series_leaves_sessions_to_others(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(database.url, "DAY-USD", numbered("2023-12-01", 3), "bitstamp")
    monkeypatch.setattr(app, "Pool", partial(PATIENT, wait_seconds=60))
    series = " ".join(
        f'a{n}: market(symbol: "DAY-USD") {{ candles(range: {{lastDays: {n}}}) {{ points {{ close }} }} }}'
        for n in range(1, 7)
    )
    number = 30  # of clients, whose reads were more than may wait for a session, if all of them did
    with serving(database.url) as api, held(database.url) as holding, ThreadPoolExecutor(number) as clients:
        asked = [clients.submit(api.post, f"{{ {series} }}")]
        wait_for(lambda: holding.running() == 2, 60)
        asked += [clients.submit(api.post, f"{{ {series} }} # {n}") for n in range(1, number)]
        wait_for(lambda: holding.running() == 8, 60)
        holding.release()
        assert {answer.result().status_code for answer in asked} == {200}
