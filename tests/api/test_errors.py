"""What is refused, by which code, and that nothing internal ever shows."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import psycopg
import pytest
from graphql import GraphQLError

from graphql_api.errors import describe
from tests.api.serving import Api

BAD_INPUT = [
    ("a syntax error", "{ market {", "Syntax Error"),
    ("an unknown field", "{ market { colour } }", "colour"),
    (
        "a day that is none",
        '{ market { movement(range: {days: {from: "2023-02-30", to: "x"}}) { open } } }',
        "2023-02-30",
    ),
    ("a day by its week", '{ market { forecast(asOf: "2023-W05-1") { basedOn } } }', "2023-W05-1"),
    ("a naive instant", '{ market { price(at: "2023-02-01T00:00:00") { value } } }', "2023-02-01T00:00:00"),
    (
        "an instant before time",
        '{ market { price(at: "0001-01-01T00:00:00+14:00") { value } } }',
        "0001-01-01",
    ),
    ("an instant as a number", "{ market { price(at: 1700000000) { value } } }", "1700000000"),
    (
        "an unknown interval",
        "{ market { candles(range: {last: WEEK}, interval: DECADE) { points { open } } } }",
        "DECADE",
    ),
    ("an empty range", "{ market { movement(range: {}) { open } } }", "RangeInput"),
    (
        "two ranges at once",
        "{ market { movement(range: {last: WEEK, lastDays: 3}) { open } } }",
        "RangeInput",
    ),
    ("a null range", "{ market { movement(range: {last: null}) { open } } }", "must be non-null"),
    (
        "an integer too great",
        "{ market { movement(range: {lastDays: 99999999999}) { open } } }",
        "99999999999",
    ),
    (
        "no points at all",
        "{ market { candles(range: {last: WEEK}, maxPoints: 0) { points { open } } } }",
        "maxPoints 0",
    ),
]


@pytest.mark.parametrize(("why", "query", "named"), BAD_INPUT)
def test_bad_input_is_refused_and_named(api: Api, why: str, query: str, named: str) -> None:
    errors = api.post(query).json()["errors"]
    assert {error["extensions"]["code"] for error in errors} == {"BAD_USER_INPUT"}, why
    assert named in errors[0]["message"], why


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ({"days": {"from": "nonsense", "to": "2023-01-01"}}, "nonsense"),
        ({"instants": {"from": "2023-01-01T00:00", "to": "2023-01-02T00:00:00Z"}}, "no time zone"),
        ({"last": "WEEK", "lastDays": 1}, "RangeInput"),
        ({"last": None}, "'last' must be non-null"),
        ({}, "RangeInput"),
        ({"last": "FORTNIGHT"}, "FORTNIGHT"),
    ],
)
def test_a_bad_variable_is_refused_and_named(api: Api, value: object, named: str) -> None:
    error = api.error("query ($r: RangeInput!) { market { movement(range: $r) { open } } }", r=value)
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert named in error["message"]


INVALID_RANGES = [
    ('days: {from: "2023-02-02", to: "2023-02-01"}', ["2023-02-02", "2023-02-01"]),
    (
        'instants: {from: "2023-02-02T00:00:00Z", to: "2023-02-01T00:00:00Z"}',
        ["2023-02-02T00:00:00Z", "2023-02-01T00:00:00Z"],
    ),
    (
        'instants: {from: "2023-02-01T00:00:00Z", to: "2023-02-01T00:00:00Z"}',
        ["2023-02-01T00:00:00Z", "empty"],
    ),
    ("lastDays: 0", ["lastDays 0"]),
    ("lastDays: -5", ["lastDays -5"]),
]


@pytest.mark.parametrize(("asked", "named"), INVALID_RANGES)
@pytest.mark.parametrize(
    "field",
    [
        "movement(range: {R}) { open }",
        "candles(range: {R}) { points { open } }",
        "movingAverage(range: {R}, window: 2) { window }",
    ],
)
def test_an_impossible_range_is_refused_with_its_bounds(
    api: Api, field: str, asked: str, named: list[str]
) -> None:
    error = api.refused(field.replace("{R}", f"{{{asked}}}"))
    assert error["extensions"]["code"] == "RANGE_INVALID"
    for value in named:
        assert value in error["message"]


def test_a_document_nested_beyond_reading_is_refused(api: Api) -> None:
    error = api.error("{ a" * 20_000 + "}" * 20_000)
    assert error["extensions"]["code"] in {"BAD_USER_INPUT", "QUERY_TOO_DEEP"}
    assert "nested too deeply" in error["message"]


def test_a_recursion_that_the_interpreter_stops_is_the_documents_fault() -> None:
    described = describe(GraphQLError("too deep", original_error=RecursionError()))
    assert described["extensions"] == {"code": "QUERY_TOO_DEEP"}


@pytest.fixture
def broken(markets_url: str) -> Iterator[None]:
    """Take a column of the forecasts away for a while: a fault that no one foresaw."""
    with psycopg.connect(markets_url, autocommit=True) as connection:
        connection.execute("ALTER TABLE forecast RENAME COLUMN based_on TO secret_column")
        yield
        connection.execute("ALTER TABLE forecast RENAME COLUMN secret_column TO based_on")


def test_an_unforeseen_error_is_masked_and_logged_with_its_id(
    api: Api, broken: None, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR, logger="btcql.api"):
        response = api.post("{ market { forecast { basedOn } } }")
    (error,) = response.json()["errors"]
    assert error["extensions"].keys() == {"code", "errorId"}
    assert error["extensions"]["code"] == "INTERNAL"
    assert "secret_column" not in response.text
    assert "based_on" not in response.text
    (record,) = [record for record in caplog.records if record.name == "btcql.api"]
    assert error["extensions"]["errorId"] in record.getMessage()
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], psycopg.errors.UndefinedColumn)
