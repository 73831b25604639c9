"""A request that was answered before is known by its bytes, and answered as the endpoint would answer it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise

import httpx
import psycopg
import pytest
from starlette.requests import Request

from database.connection import connected
from database.keys import create_key, revoke_key
from graphql_api import auth, endpoint
from graphql_api.limiter import Limiter
from graphql_api.request import GRAPHQL_JSON, GraphQLRequest, read_request
from tests.api.markets import load, numbered
from tests.api.serving import UNLIMITED, Api, Clock, listens, serving, wait_for
from tests.api.test_cache import change, tamper
from tests.conftest import Database, fresh_database

ASKED = {
    "query": 'query Closes { market(symbol: "DAY-USD") { candles(range: {lastDays: 29}) '
    "{ points { start open high low close } } } }"
}
CANDLES = {"query": '{ market(symbol: "DAY-USD") { candles(range: {lastDays: 1}) { points { close } } } }'}
KEYS_ONLY = replace(UNLIMITED, anonymous_scopes_text="")


class Reads:
    """How many requests the endpoint itself has read."""

    def __init__(self) -> None:
        self.count = 0

    async def __call__(self, request: Request) -> GraphQLRequest:
        self.count += 1
        return await read_request(request)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Reads:
    reads = Reads()
    monkeypatch.setattr(endpoint, "read_request", reads)
    return reads


@pytest.fixture(scope="module")
def loaded(start_server: Callable[[str], str]) -> Iterator[Database]:
    with fresh_database(start_server("plain"), "plain") as database:
        load(database.url, "DAY-USD", numbered("2023-12-01", 30), "bitstamp")
        yield database


def ask(api: Api, asked: object = ASKED, **headers: str) -> httpx.Response:
    return api.http.post("/graphql", json=asked, headers=headers)


def ask_until_known(api: Api, reads: Reads, asked: object = ASKED, **headers: str) -> httpx.Response:
    """Ask until the endpoint does not read the request any more, and return that answer."""
    found: list[httpx.Response] = []

    def known() -> bool:
        before = reads.count
        found[:] = [ask(api, asked, **headers)]
        assert found[0].status_code == 200
        return reads.count == before

    wait_for(known)
    return found[0]


def test_a_repeated_request_is_answered_with_the_same_bytes_and_headers(
    loaded: Database, reads: Reads
) -> None:
    with serving(loaded.url) as api:
        listens(api)
        for encoding in ("identity", "gzip"):
            first = ask(api, **{"accept-encoding": encoding})
            again = ask_until_known(api, reads, **{"accept-encoding": encoding})
            assert again.content == first.content
            assert again.headers.get("content-encoding") == (None if encoding == "identity" else "gzip")
            told = [
                sorted(
                    (name, value)
                    for name, value in answer.headers.raw
                    if name not in {b"x-request-id", b"date"}
                )
                for answer in (first, again)
            ]
            assert told[0] == told[1]
            assert first.headers["x-request-id"] != again.headers["x-request-id"]
        assert ask(api, **{"x-request-id": "mine"}).headers["x-request-id"] == "mine"


def test_what_differs_in_anything_that_matters_is_read(loaded: Database, reads: Reads) -> None:
    with serving(loaded.url) as api:
        listens(api)
        ask_until_known(api, reads)
        before = reads.count
        assert ask(api, accept=GRAPHQL_JSON).headers["content-type"].startswith(GRAPHQL_JSON)
        assert ask(api, **{"accept-encoding": "br"}).headers.get("content-encoding") is None
        assert ask(api, {**ASKED, "operationName": "Closes"}).status_code == 200
        assert ask(api, {**ASKED, "operationName": "Other"}).json()["errors"]
        assert reads.count == before + 4
        assert ask(api, **{"content-type": "text/plain"}).status_code == 415


def test_a_repeat_is_counted_and_named_as_any_request(loaded: Database, reads: Reads) -> None:
    with serving(loaded.url) as api:
        listens(api)
        ask_until_known(api, reads)
        figures = r'btcql_request_duration_seconds_count{operation="Closes"} (\S+)', r'{result="hit"} (\S+)'
        seen: list[list[float]] = []
        for _ in range(2):
            told = api.http.get("/metrics").text
            seen.append([float(match[1]) for figure in figures if (match := re.search(figure, told))])
            assert ask(api).status_code == 200
        assert len(seen[0]) == len(figures)
        assert seen[1] == [figure + 1 for figure in seen[0]]


def test_a_repeat_costs_what_the_request_cost(
    loaded: Database, reads: Reads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auth, "Limiter", lambda: Limiter(lambda: 0.0))
    with serving(loaded.url, settings=replace(UNLIMITED, anonymous_rate_text="300")) as api:
        listens(api)
        left: list[int] = []
        statuses: list[int] = []
        before = reads.count
        while not statuses or statuses[-1] == 200:
            answer = ask(api, CANDLES)
            statuses.append(answer.status_code)
            left.append(int(answer.headers["ratelimit"].partition(";r=")[2].partition(";")[0]))
        steps = {one - other for one, other in pairwise(left[:-1])}
        assert len(steps) == 1
        assert len(statuses) > 6
        assert reads.count <= before + 3 + 1, "it was made, kept and known; those in between were repeats"
        assert statuses[-1] == 429
        assert answer.json()["errors"][0]["extensions"]["code"] == "RATE_LIMITED"


def test_a_repeat_with_a_key_that_was_revoked_or_given_another_rate_is_noticed(
    loaded: Database, reads: Reads
) -> None:
    with connected(loaded.url) as connection:
        key = create_key(connection, "repeats", ["prices"], 100_000)[1]
    with serving(loaded.url, settings=KEYS_ONLY) as api:
        own = {"authorization": f"Bearer {key}"}
        known = ask_until_known(api, reads, **own)
        assert known.headers["ratelimit-policy"] == '"key";q=100000;w=60'
        assert ask(api).status_code == 401
        assert ask(api, authorization=f"Bearer {key[:-4]}AAAA").status_code == 401
        with psycopg.connect(loaded.url, autocommit=True) as connection:
            connection.execute("UPDATE api_key SET rate = 99999 WHERE name = 'repeats'")
        wait_for(lambda: ask(api, **own).headers["ratelimit-policy"] == '"key";q=99999;w=60')
        with psycopg.connect(loaded.url, autocommit=True) as connection:
            connection.execute("UPDATE api_key SET scopes = '{forecasts}' WHERE name = 'repeats'")
        wait_for(lambda: ask(api, **own).status_code == 403)
        with connected(loaded.url) as connection:
            revoke_key(connection, "repeats")
        wait_for(lambda: ask(api, **own).status_code == 401)


def test_pages_of_other_origins_are_told_what_is_theirs(loaded: Database, reads: Reads) -> None:
    with serving(loaded.url, settings=replace(UNLIMITED, origins_text="https://a.example")) as api:
        listens(api)
        ask_until_known(api, reads, origin="https://a.example")
        before = reads.count
        for origin in ("https://a.example", "https://b.example", "https://a.example"):
            answer = ask(api, origin=origin)
            allowed = answer.headers.get("access-control-allow-origin")
            assert allowed == (origin if origin == "https://a.example" else None)
            assert answer.headers["vary"].lower().count("origin") == 1
        assert reads.count == before


def test_a_repeat_is_of_the_newest_version_and_of_the_day(plain: Database, reads: Reads) -> None:
    load(plain.url, "DAY-USD", numbered("2023-12-01", 30), "bitstamp")
    clock = Clock(datetime(2024, 1, 11, 12, tzinfo=UTC))

    def close() -> float:
        ((point,),) = [ask(api, CANDLES).json()["data"]["market"]["candles"]["points"]]
        return float(point["close"])

    with serving(plain.url, clock) as api:
        listens(api)
        ask_until_known(api, reads, CANDLES)
        tamper(plain.url, 500)
        assert close() == 30, "the same version"
        change(plain.url)
        wait_for(lambda: close() == 500)
        ask_until_known(api, reads, CANDLES)
        before = reads.count
        clock.pass_by(days=1)
        assert close() == 500
        assert reads.count == before + 1


def test_without_a_kept_answer_a_known_request_is_answered_anew_but_not_read_again(
    plain: Database, reads: Reads
) -> None:
    load(plain.url, "DAY-USD", numbered("2023-12-01", 30), "bitstamp")
    unkept = replace(UNLIMITED, cache_text="0")
    wrong = {"query": '{ market(symbol: "NO-USD") { symbol } }'}
    with serving(plain.url, settings=unkept) as api:
        for asked in (CANDLES, wrong):
            for accept in ("application/json", GRAPHQL_JSON):
                first = ask(api, asked, accept=accept)
                before = reads.count
                again = ask(api, asked, accept=accept)
                assert reads.count == before
                assert (again.status_code, again.content) == (first.status_code, first.content)
                assert again.headers["content-type"] == first.headers["content-type"]
        tamper(plain.url, 500)
        ((point,),) = [ask(api, CANDLES, accept=GRAPHQL_JSON).json()["data"]["market"]["candles"]["points"]]
        assert point["close"] == 500
        assert reads.count == before


def test_a_known_request_without_a_kept_answer_costs_what_it_cost_and_is_refused_like_any(
    loaded: Database, reads: Reads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auth, "Limiter", lambda: Limiter(lambda: 0.0))
    settings = replace(UNLIMITED, anonymous_rate_text="300", cache_text="0")
    with serving(loaded.url, settings=settings) as api:
        statuses: list[int] = []
        left: list[int] = []
        while not statuses or statuses[-1] == 200:
            answer = ask(api, CANDLES)
            statuses.append(answer.status_code)
            left.append(int(answer.headers["ratelimit"].partition(";r=")[2].partition(";")[0]))
        assert len({one - other for one, other in pairwise([300, *left[:-1]])}) == 1
        assert len(statuses) > 6
        assert reads.count <= 2, "the first, and the one that was refused"
        assert statuses[-1] == 429
        assert answer.json()["errors"][0]["extensions"]["code"] == "RATE_LIMITED"
        assert int(answer.headers["retry-after"]) > 0
