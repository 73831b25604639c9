"""Questions made at random from the contract's own words, sensible ones and absurd ones alike."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.api.serving import Api

pytestmark = pytest.mark.parametrize("edition", ["plain"], indirect=True, scope="session")

INTERVALS = ["MINUTE", "FIVE_MINUTES", "FIFTEEN_MINUTES", "HOUR", "FOUR_HOURS", "DAY", "WEEK", "MONTH"]
# what a question may be refused by, however absurd: never INTERNAL, and the database is there
REFUSALS = {
    "BAD_USER_INPUT",
    "RANGE_INVALID",
    "RANGE_TOO_LARGE",
    "INTERVAL_UNSUPPORTED",
    "WINDOW_INVALID",
    "MARKET_NOT_FOUND",
    "FORECAST_UNAVAILABLE",
    "QUERY_TOO_COMPLEX",
}

ints = st.sampled_from([0, -3, 1000, 1001, 10_000, 10_001, 2**31 - 1, -(2**31), 2**31, 10**30])
absurd = st.one_of(
    st.none(), st.booleans(), ints, st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=30),
    st.lists(st.integers(), max_size=2), st.dictionaries(st.just("last"), st.none(), max_size=2),
)  # fmt: skip


def rarely(absurdity: st.SearchStrategy[Any], usual: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Draw the usual, and now and then what is not."""
    return st.integers(0, 15).flatmap(
        lambda die: absurdity if die == 11 else usual
    )  # a die's ends come often


numbers = rarely(absurd, rarely(ints, st.integers(1, 60)))
known_days = st.dates(date(2022, 12, 20), date(2024, 1, 20))
days = rarely(absurd, rarely(st.dates(), known_days).map(date.isoformat))
zones = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
known_instants = st.datetimes(datetime(2022, 12, 20), datetime(2024, 1, 20), timezones=zones)  # noqa: DTZ001
instants = rarely(absurd, rarely(st.datetimes(timezones=zones), known_instants).map(datetime.isoformat))
ranges = rarely(
    absurd,
    st.one_of(
        st.sampled_from(["DAY", "WEEK", "MONTH", "QUARTER", "YEAR", "ALL"]).map(lambda p: {"last": p}),
        numbers.map(lambda number: {"lastDays": number}),
        st.fixed_dictionaries({"days": st.fixed_dictionaries({"from": days, "to": days})}),
        st.fixed_dictionaries({"instants": st.fixed_dictionaries({"from": instants, "to": instants})}),
    ),
)
questions = st.fixed_dictionaries(
    {
        "r": ranges,
        "i": rarely(absurd, st.sampled_from(INTERVALS)),
        "w": numbers,
        "k": st.sampled_from(["SIMPLE", "EXPONENTIAL", "WEIGHTED"]),
        "f": st.sampled_from(["NULL", "PREVIOUS", "NONE"]),
        "c": st.booleans(),
        "m": st.one_of(st.none(), numbers),
        "at": instants,
        "day": days,
        "h": rarely(ints, st.integers(1, 15)),
        "s": rarely(
            st.sampled_from(["NO-SUCH", "", "btc-usd", "\0"]),
            st.sampled_from(["BTC-USD", "DAY-USD", "GAP-USD", "NEW-USD"]),
        ),
    }
)
FIELDS = {
    "movement(range: $r) { open coverage { expected present } resolved { from to } }": "$r: RangeInput!",
    "candles(range: $r, interval: $i, fill: $f, includeIncomplete: $c, maxPoints: $m)"
    " { points { start close } coverage { expected present } resolved { from to } }": (
        "$r: RangeInput!, $i: Interval!, $f: Fill!, $c: Boolean!, $m: Int"
    ),
    "movingAverage(range: $r, window: $w, kind: $k, interval: $i) { points { start value status } }": (
        "$r: RangeInput!, $w: Int!, $k: AverageKind!, $i: Interval!"
    ),
    "price(at: $at) { at value }": "$at: DateTime",
    "forecast(asOf: $day, horizon: $h) { points { day price } }": "$day: Date, $h: Int!",
}


@settings(
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=100,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(field=st.sampled_from(sorted(FIELDS)), asked=questions)
def test_every_question_is_answered_or_refused_by_the_contract(
    api: Api, field: str, asked: dict[str, Any]
) -> None:
    query = f"query ($s: String!, {FIELDS[field]}) {{ market(symbol: $s) {{ {field} }} }}"
    response = api.http.post("/graphql", json={"query": query, "variables": asked})
    assert response.status_code == 200
    body = response.json()
    if "errors" in body:
        assert {error["extensions"]["code"] for error in body["errors"]} <= REFUSALS
        assert body.get("data") is None
        return
    (answer,) = body["data"]["market"].values()
    starts = [point["start"] for point in answer.get("points", []) if "start" in point]
    assert starts == sorted(set(starts))
    most = asked["m"] if "maxPoints" in field else None
    assert len(starts) <= (10_000 if most is None else most)
    if "coverage" in answer:
        assert 0 <= answer["coverage"]["present"] <= answer["coverage"]["expected"]
        assert answer["resolved"]["from"] <= answer["resolved"]["to"]
