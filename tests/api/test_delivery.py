"""Tags, lifetimes and compression, as a client and the caches between see them."""

from __future__ import annotations

import gzip
from datetime import timedelta

import httpx
import psycopg
import pytest

from tests.api.markets import NOW
from tests.api.serving import Api, listens, serving
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
    ("asked", "seconds"),
    [
        ("symbol", 86_400),
        (f"candles(range: {DAYS}) {{ points {{ close }} }}", 86_400),
        ('price(at: "2023-05-05T00:00:00Z") { value }', 86_400),
        (f"movement(range: {DAYS}) {{ close }} movingAverage(range: {DAYS}, window: 3) {{ window }}", 86_400),
        (f"movement(range: {HOURS}) {{ low {{ at }} }}", 86_400),
        ("candles(range: {last: WEEK}) { points { close } }", 60),
        ('candles(range: {days: {from: "2023-12-01", to: "2024-01-11"}}) { points { close } }', 60),
        (f"candles(range: {DAYS}, includeIncomplete: true) {{ points {{ close }} }}", 60),
        ("movement(range: {lastDays: 3}) { close }", 60),
        ("movingAverage(range: {last: ALL}, window: 3) { window }", 60),
        ("price { value }", 60),
        ('price(at: "2024-01-11T12:33:00Z") { value }', 60),
        ('forecast(asOf: "2024-01-06") { basedOn }', 60),
        ("sources", 60),
        ("price { ageSeconds }", 1),
        ("freshness { nextRefreshAt }", 0),
    ],
)
def test_closed_ranges_are_kept_long_and_others_until_the_next_refresh(
    api: Api, asked: str, seconds: int
) -> None:
    response = get(api, f"{{ market {{ {asked} }} }}")
    assert "errors" not in response.json()
    assert response.headers["cache-control"] == f"public, max-age={seconds}"


def test_an_open_answer_is_good_until_the_planned_run(plain: Database) -> None:
    with psycopg.connect(plain.url, autocommit=True) as connection:
        connection.execute("INSERT INTO pipeline_plan VALUES ('X-Y', %s, 0)", [NOW + timedelta(hours=3)])
        connection.execute("INSERT INTO pipeline_plan VALUES ('A-B', %s, 0)", [NOW + timedelta(hours=2)])
    with serving(plain.url) as api:
        listens(api)
        found = get(api, "{ markets { symbol } }")
    assert found.headers["cache-control"] == "public, max-age=7200"


@pytest.mark.parametrize("query", ['{ market(symbol: "X-Y") { symbol } }', "{ nothing }", "{"])
def test_errors_are_kept_by_nobody(api: Api, query: str) -> None:
    response = get(api, query)
    assert response.headers["cache-control"] == "no-store"
    assert "etag" not in response.headers


def test_what_is_posted_is_kept_by_nobody(api: Api) -> None:
    response = api.http.post("/graphql", json={"query": CLOSED}, headers={"if-none-match": "*"})
    assert (response.status_code, response.headers["cache-control"]) == (200, "no-store")
