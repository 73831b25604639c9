"""Tags, lifetimes and compression, as a client and the caches between see them."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime

import httpx
import pytest

from database.connection import connected
from database.keys import create_key
from tests.api.markets import load, numbered
from tests.api.serving import Api, Clock, listens, serving, wait_for
from tests.conftest import Database

DAYS = '{days: {from: "2023-02-01", to: "2023-12-31"}}'
HOURS = '{instants: {from: "2023-08-01T01:00:00Z", to: "2023-08-02T02:00:00Z"}}'
CLOSED = f"{{ market {{ candles(range: {DAYS}) {{ points {{ start close }} }} }} }}"
OPEN = "{ market { candles(range: {last: YEAR}) { points { start close } } } }"
SMALL = "{ market { symbol } }"


def get(api: Api, query: str, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return api.http.get("/graphql", params={"query": query}, headers={"accept-encoding": "identity", **named})


def test_whoever_has_the_answer_is_told_so(api: Api) -> None:
    first = get(api, CLOSED)
    tag = first.headers["etag"]
    assert tag.startswith('"')
    for value in (tag, f'"x", {tag}', f"W/{tag}", "*"):
        again = get(api, CLOSED, if_none_match=value)
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
        assert again.headers["cache-control"] == first.headers["cache-control"]
    assert get(api, CLOSED, if_none_match='"x"').content == first.content
    assert get(api, OPEN).headers["etag"] != tag


def test_a_compressed_answer_is_the_same_under_a_tag_of_its_own(api: Api) -> None:
    plain = get(api, CLOSED)
    compressed = get(api, CLOSED, accept_encoding="br, gzip;q=0.5")
    assert "content-encoding" not in plain.headers
    assert compressed.headers["content-encoding"] == "gzip"
    assert compressed.content == plain.content
    assert int(compressed.headers["content-length"]) < int(plain.headers["content-length"]) / 2
    assert compressed.headers["etag"] != plain.headers["etag"]
    assert "accept-encoding" in compressed.headers["vary"]
    again = get(api, CLOSED, accept_encoding="gzip", if_none_match=compressed.headers["etag"])
    assert again.status_code == 304
    with api.http.stream("POST", "/graphql", json={"query": CLOSED}) as posted:
        assert gzip.decompress(b"".join(posted.iter_raw())) == plain.content


@pytest.mark.parametrize("accepted", ["identity", "br", "gzip;q=0", "*;q=0", "gzip;q=x"])
def test_what_the_client_does_not_take_is_not_compressed(api: Api, accepted: str) -> None:
    assert "content-encoding" not in get(api, CLOSED, accept_encoding=accepted).headers


def test_a_small_answer_is_not_compressed(api: Api) -> None:
    assert "content-encoding" not in get(api, SMALL, accept_encoding="gzip").headers


@pytest.mark.parametrize(
    "asked",
    [
        "symbol",
        f"candles(range: {DAYS}) {{ points {{ close }} }}",
        'price(at: "2023-05-05T00:00:00Z") { value }',
        f"movement(range: {DAYS}) {{ close }} movingAverage(range: {DAYS}, window: 3) {{ window }}",
        f"movement(range: {HOURS}) {{ low {{ at }} }}",
    ],
)
def test_a_closed_range_may_be_kept_for_an_hour(api: Api, asked: str) -> None:
    assert kept(api, f"{{ market {{ {asked} }} }}") == "public, max-age=3600"


@pytest.mark.parametrize(
    "asked",
    [
        "candles(range: {last: WEEK}) { points { close } }",
        'candles(range: {days: {from: "2023-12-01", to: "2024-01-11"}}) { points { close } }',
        f"candles(range: {DAYS}, includeIncomplete: true) {{ points {{ close }} }}",
        "movement(range: {lastDays: 3}) { close }",
        "movingAverage(range: {last: ALL}, window: 3) { window }",
        "price { value }",
        'price(at: "2024-01-11T12:33:00Z") { value }',
        'forecast(asOf: "2024-01-06") { basedOn }',
        "sources",
        "price { ageSeconds }",
        "freshness { nextRefreshAt }",
    ],
)
def test_what_a_load_may_change_is_asked_for_again_each_time(api: Api, asked: str) -> None:
    assert kept(api, f"{{ market {{ {asked} }} }}") == "public, no-cache"


def test_closed_ranges_of_made_up_bars_are_asked_for_again_each_time(api: Api) -> None:
    made_up = '{ market(symbol: "FAKE-USD") { price(at: "2020-01-15T00:00:00Z") { value } } }'
    assert kept(api, made_up) == "public, no-cache", "real ones may come at any time"


def test_closed_ranges_of_a_stale_market_are_asked_for_again_each_time(plain: Database) -> None:
    load(plain.url, "DAY-USD", numbered("2023-12-01", 30), "bitstamp")  # through 2023-12-30
    closed = '{ market(symbol: "DAY-USD") { price(at: "2023-12-09T00:00:00Z") { value } } }'
    clock = Clock(datetime(2024, 1, 1, 0, 4, 59, tzinfo=UTC))
    with serving(plain.url, clock) as api:
        listens(api)
        assert kept(api, closed) == "public, max-age=3600"
        clock.pass_by(minutes=30)
        assert kept(api, closed) == "public, max-age=1801", "it is stale at 01:05"
        clock.pass_by(minutes=30, seconds=1)
        assert kept(api, closed) == "public, no-cache"


def test_whoever_revalidates_sees_what_was_loaded_in_between(plain: Database) -> None:
    """As a browser does: it keeps the answer, and asks whether it still is the answer."""
    load(plain.url, "DAY-USD", numbered("2023-12-01", 30), "bitstamp")
    asked = {"query": '{ market(symbol: "DAY-USD") { candles(range: {lastDays: 1}) { columns { close } } } }'}
    addresses = [("/graphql", asked), ("/export/candles.csv", {"symbol": "DAY-USD", "lastDays": "1"})]
    with serving(plain.url, lambda: datetime(2024, 1, 1, 0, 50, tzinfo=UTC)) as api:
        listens(api)
        first = [api.http.get(address, params=params) for address, params in addresses]
        assert {answer.headers["cache-control"] for answer in first} == {"public, no-cache"}

        def again() -> list[httpx.Response]:
            known = [{"if-none-match": answer.headers["etag"]} for answer in first]
            return [
                api.http.get(address, params=params, headers=headers)
                for (address, params), headers in zip(addresses, known, strict=True)
            ]

        assert [answer.status_code for answer in again()] == [304, 304]
        load(plain.url, "DAY-USD", numbered("2023-12-01", 31), "bitstamp")
        wait_for(lambda: [answer.status_code for answer in again()] == [200, 200])
        assert ["31" in answer.text for answer in again()] == [True, True]


def test_an_answer_to_a_key_is_kept_by_its_client_alone(plain: Database) -> None:
    load(plain.url, "DAY-USD", numbered("2023-12-01", 30), "bitstamp")
    with connected(plain.url, autocommit=True) as connection:
        _, secret = create_key(connection, "reader", ["prices"], None)
    with serving(plain.url) as api:
        listens(api)
        found = get(api, "{ markets { symbol } }", authorization=f"Bearer {secret}")
    assert found.headers["cache-control"] == "private, no-cache"


def kept(api: Api, query: str) -> str:
    """Return what caches are told of an answer without errors."""
    response = get(api, query)
    assert "errors" not in response.json()
    return response.headers["cache-control"]


@pytest.mark.parametrize("query", ['{ market(symbol: "X-Y") { symbol } }', "{ nothing }", "{"])
def test_errors_are_kept_by_nobody(api: Api, query: str) -> None:
    response = get(api, query)
    assert response.headers["cache-control"] == "no-store"
    assert "etag" not in response.headers


def test_what_is_posted_is_kept_by_nobody(api: Api) -> None:
    response = api.http.post("/graphql", json={"query": CLOSED}, headers={"if-none-match": "*"})
    assert (response.status_code, response.headers["cache-control"]) == (200, "no-store")
