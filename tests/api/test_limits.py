"""What is refused before the database is asked: documents too large, questions too dear."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import date

import pytest
from graphql import get_introspection_query

from btcql import calendar
from btcql.settings import Settings
from graphql_api.estimates import Estimator
from graphql_api.executor import Executor
from graphql_api.schema import schema
from tests.api.markets import NOW, load, numbered
from tests.api.serving import Api, serving
from tests.conftest import Database

YEAR = 'range: {days: {from: "2023-01-01", to: "2023-12-31"}}'
SERIES = "candles(range: {last: ALL}) { points { start open high low close volume observed } }"
CHAIN = "".join(f"fragment F{i} on Query {{ ...F{i + 1} }} " for i in range(30))
DOUBLING = "".join(f"fragment F{i} on Query {{ ...F{i + 1} ...F{i + 1} }} " for i in range(17))


@pytest.fixture(scope="module")
def unconnected() -> Iterator[Api]:
    """An API without a database: what it refuses by another code was refused before one was asked."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with serving(f"postgresql://nobody@127.0.0.1:{taken.getsockname()[1]}/none") as api:
            yield api


DEEP, COMPLEX = "QUERY_TOO_DEEP", "QUERY_TOO_COMPLEX"
TOO_LARGE = [
    ("levels", "{ a" * 21 + "}" * 21, DEEP, 20),
    ("levels beyond the interpreter's", "{ a" * 20_000 + "}" * 20_000, DEEP, 20),
    ("levels of a value", "{ a(x: " + "[" * 900 + "]" * 900 + ") }", DEEP, 20),
    ("levels of a type", "query ($x: " + "[" * 900 + "Int" + "]" * 900 + ") { a }", DEEP, 20),
    ("levels by fragments", f"{{ ...F0 }} {CHAIN} fragment F30 on Query {{ a }}", DEEP, 20),
    ("characters", "{ __typename } #" + " " * 100_000, COMPLEX, 100_000),
    ("tokens", "{ market { " + "symbol " * 2_000 + "} }", COMPLEX, 2_000),
    ("aliases", "{" + " ".join(f"a{i}: server {{ edition }}" for i in range(31)) + "}", COMPLEX, 30),
    ("the same root field", "{" + "server { edition } " * 32 + "}", COMPLEX, 30),
    ("directives", "{ a " + "@include(if: true) " * 31 + "}", COMPLEX, 30),
    ("directives that do not exist", "query " + "@x " * 31 + "{ a }", COMPLEX, 30),
    ("fragments", "{" + "...F " * 51 + "} fragment F on Query { a }", COMPLEX, 50),
    ("fragments that double", f"{{ ...F0 }} {DOUBLING} fragment F17 on Query {{ a }}", COMPLEX, 1_000),
]


@pytest.mark.parametrize(("what", "query", "code", "limit"), TOO_LARGE, ids=[case[0] for case in TOO_LARGE])
def test_a_document_that_is_too_large_is_refused_fast_and_with_its_limit(
    unconnected: Api, what: str, query: str, code: str, limit: int
) -> None:
    began = time.monotonic()
    error = unconnected.error(query)
    assert time.monotonic() - began < 30
    assert error["extensions"] == {"code": code, "limit": limit}
    assert f"{limit}" in error["message"]


def test_what_tools_ask_of_the_schema_is_within_the_limits(unconnected: Api) -> None:
    query = get_introspection_query(
        specified_by_url=True,
        directive_is_repeatable=True,
        schema_description=True,
        input_value_deprecation=True,
    )
    assert unconnected.ask(query)["__schema"]["queryType"]["name"] == "Query"


@pytest.mark.parametrize(
    "query",
    [
        "{ __schema { types { fields { type { fields { type { fields { name } } } } } } } }",
        "{ ...A } fragment A on Query { __typename ...B } fragment B on Query { ...A }",
        "mutation { market { symbol } }",
        "subscription { market { symbol } }",
    ],
)
def test_a_document_that_is_not_valid_is_refused(unconnected: Api, query: str) -> None:
    (error, *_) = unconnected.post(query).json()["errors"]
    assert error["extensions"]["code"] == "BAD_USER_INPUT"


def in_market(selection: str, directive: str = "") -> str:
    return f"{{ market {directive} {{ {selection.replace('{YEAR}', YEAR)} }} }}"


def cost(query: str, **variables: object) -> int:
    executor = Executor(schema._schema)
    estimator = Estimator(executor.schema, 10**9)
    return estimator.estimate(executor.prepare(query, None), variables, calendar.microseconds(NOW)).total()


COSTS = [
    ("a field", "{ server { edition version } }", 3),
    ("an alias is another", "{ server { a: edition b: edition } }", 3),
    ("fields x points", in_market("candles({YEAR}) { points { open close } }"), 3 + 365 * 2),
    ("columns alike", in_market("candles({YEAR}) { columns { open close } }"), 3 + 365 * 2),
    ("no points: their reading", in_market("candles({YEAR}) { resolved { from } }"), 2 + 365),
    (
        "x (1 + window / points)",
        in_market("movingAverage({YEAR}, window: 100) { points { value status } }"),
        3 + 465 * 2,
    ),
    (
        "an exponential average: what is read before it",
        in_market("movingAverage({YEAR}, window: 3, kind: EXPONENTIAL, interval: HOUR) { points { value } }"),
        3 + 8760 + 3 + 20 * 4 + 31,
    ),
    (
        "an exponential average of minutes: each of them that is read",
        in_market(
            "movingAverage(range: {lastDays: 1}, window: 300, kind: EXPONENTIAL, interval: FIFTEEN_MINUTES)"
            " { points { value } }"
        ),
        3 + 97 + 300 + 15 * (20 * 301 + 2047),
    ),
    (
        "an exponential average of days: no more of them than there were",
        in_market("movingAverage({YEAR}, window: 1000, kind: EXPONENTIAL) { points { value } }"),
        3 + 365 + 1000 + (date(2023, 1, 1) - date(2009, 1, 3)).days,
    ),
    (
        "as many points as are asked for, and the reading of the rest",
        in_market("candles({YEAR}, maxPoints: 65) { points { open close } }"),
        3 + 65 * 2 + 300,
    ),
    (
        "no more points than a series carries",
        in_market("candles(range: {last: ALL}, interval: MINUTE) { points { open } }"),
        3 + 10_000,
    ),
    (
        "what is skipped costs nothing",
        "{ server { edition } " + in_market("candles({YEAR}) { points { open } }", "@skip(if: true)")[1:],
        2,
    ),
    (
        "fragments cost what they hold",
        in_market("...A ... on Market { quote }")
        + in_market("candles({YEAR}) { points { open } }").replace("{ market", "fragment A on Market")[:-1],
        4 + 365,
    ),
    (
        "each of the markets",
        in_market("candles({YEAR}) { points { open } }").replace("market", "markets"),
        1 + 10 * (2 + 365),
    ),
    ("a movement: its bars", in_market("movement({YEAR}) { open high { at } }"), 5 + 365),
    (
        "a forecast: its days",
        in_market("forecast(horizon: 5) { points { price quantiles { price } } }"),
        2 + 5 * (1 + 1 + 1 + 13),
    ),
]


@pytest.mark.parametrize(("what", "query", "expected"), COSTS, ids=[case[0] for case in COSTS])
def test_the_cost_of_a_query(what: str, query: str, expected: int) -> None:
    assert cost(query) == expected


def test_the_cost_is_that_of_the_variables() -> None:
    query = (
        "query ($r: RangeInput!, $i: Interval = DAY, $no: Boolean = false)"
        "{ market { candles(range: $r, interval: $i) { points { open close @include(if: $no) } } } }"
    )
    assert cost(query, r={"lastDays": 10}) == 3 + 11  # ends now: within the eleventh day
    assert cost(query, r={"lastDays": 10}, no=True) == 3 + 2 * 11
    assert cost(query, r={"lastDays": 10}, i="HOUR") == 3 + 241


def test_a_query_too_dear_is_refused_with_an_interval_that_would_do(unconnected: Api) -> None:
    minutes = (
        "candles(range: {lastDays: 6}, interval: MINUTE) { points { start open high low close volume } }"
    )
    many = " ".join(f"a{i}: {minutes}" for i in range(5))
    error = unconnected.refused(many)
    assert error["extensions"] == {
        "code": "QUERY_TOO_COMPLEX",
        "cost": 1 + 5 * (2 + 8641 * 6),
        "limit": 250_000,
        "suggestedInterval": "FIVE_MINUTES",
    }
    assert "259,".replace(",", "") in error["message"]
    assert "FIVE_MINUTES" in error["message"]


def test_an_exponential_average_that_would_read_a_million_rows_is_refused(unconnected: Api) -> None:
    error = unconnected.refused(
        "movingAverage(range: {lastDays: 1}, window: 1000, kind: EXPONENTIAL, interval: FIFTEEN_MINUTES)"
        " { points { value } }"
    )
    assert error["extensions"]["code"] == "QUERY_TOO_COMPLEX"
    assert error["extensions"]["cost"] > 400_000
    assert error["extensions"]["suggestedInterval"] == "HOUR"


def test_no_interval_is_suggested_where_none_would_do(unconnected: Api) -> None:
    error = unconnected.refused(" ".join(f"a{i}: {SERIES}" for i in range(20)))
    assert error["extensions"]["suggestedInterval"] is None
    assert error["extensions"]["cost"] > 250_000


def test_variables_that_do_not_fit_are_refused_before_the_database_is_asked(unconnected: Api) -> None:
    error = unconnected.error(
        "query ($r: RangeInput!) { market { movement(range: $r) { open } } }", r={"last": 1}
    )
    assert error["extensions"] == {"code": "BAD_USER_INPUT"}


@pytest.mark.parametrize("edition", ["plain"], indirect=True, scope="session")
def test_an_operator_can_set_what_a_query_may_cost(markets_url: str) -> None:
    with serving(markets_url, settings=replace(Settings(), max_cost_text="500")) as api:
        assert api.market(f"candles({YEAR}) {{ points {{ open }} }}")["candles"]["points"]
        error = api.refused(f"candles({YEAR}) {{ points {{ open close }} }}")
        assert (error["extensions"]["cost"], error["extensions"]["limit"]) == (733, 500)


@pytest.mark.parametrize("edition", ["plain"], indirect=True)
def test_more_markets_than_were_reckoned_with_are_weighed_again(database: Database) -> None:
    query = "{ markets { symbol base quote } }"
    for i in range(11):
        load(database.url, f"M{i}-USD", numbered("2023-12-01", 1), "bitstamp")
    with serving(database.url, settings=replace(Settings(), max_cost_text="31")) as api:
        error = api.error(query)
    assert error["extensions"] == {
        "code": "QUERY_TOO_COMPLEX",
        "cost": 34,
        "limit": 31,
        "suggestedInterval": None,
    }
    assert cost(query) == 31
