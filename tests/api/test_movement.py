from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.api.markets import NOW
from tests.api.serving import Api

FIELDS = """
  resolved { from to interval clamped }
  open close high { at value } low { at value } change changePercent average volume volatility
  coverage { expected present missing { from to bars } }
"""


def movement(api: Api, asked: str, symbol: str = "BTC-USD") -> Any:
    return api.market(f"movement(range: {{{asked}}}) {{ {FIELDS} }}", symbol)["movement"]


def instants(start: str, end: str) -> str:
    return f'instants: {{from: "{start}", to: "{end}"}}'


MOVEMENTS = [
    ("last week", "last: WEEK", "2024-01-04T00:00:00Z", "2024-01-11T00:00:00Z", "DAY"),
    ("last month", "last: MONTH", "2023-12-11T00:00:00Z", "2024-01-11T00:00:00Z", "DAY"),
    ("all of it", "last: ALL", "2023-01-01T00:00:00Z", "2024-01-11T00:00:00Z", "DAY"),
    (
        "two dates over a hole",
        'days: {from: "2023-03-01", to: "2023-03-31"}',
        "2023-03-01T00:00:00Z",
        "2023-04-01T00:00:00Z",
        "DAY",
    ),
    (
        "hours",
        instants("2023-09-08T05:00:00Z", "2023-09-15T17:00:00Z"),
        "2023-09-08T05:00:00Z",
        "2023-09-15T17:00:00Z",
        "HOUR",
    ),
    (
        "minutes",
        instants("2024-01-03T05:07:00Z", "2024-01-10T17:31:00Z"),
        "2024-01-03T05:07:00Z",
        "2024-01-10T17:31:00Z",
        "MINUTE",
    ),
    (
        "seconds are widened to their minutes",
        instants("2024-01-03T05:07:30Z", "2024-01-03T05:30:01Z"),
        "2024-01-03T05:07:00Z",
        "2024-01-03T05:31:00Z",
        "MINUTE",
    ),
]


@pytest.mark.parametrize(("why", "asked", "start", "end", "interval"), MOVEMENTS)
def test_a_movement_is_what_pandas_makes_of_the_base_bars(
    api: Api, bars: pd.DataFrame, why: str, asked: str, start: str, end: str, interval: str
) -> None:
    found = movement(api, asked)
    resolved = {"from": start, "to": end, "interval": interval, "clamped": False}
    assert found["resolved"] == resolved, why
    base = bars[(bars.index >= pd.Timestamp(start)) & (bars.index < pd.Timestamp(end))]
    assert found["open"] == base["open"].iloc[0]
    assert found["close"] == base["close"].iloc[-1]
    assert found["change"] == base["close"].iloc[-1] - base["open"].iloc[0]
    assert found["changePercent"] == pytest.approx(100 * found["change"] / found["open"])
    for name, place in (("high", int(base["high"].argmax())), ("low", int(base["low"].argmin()))):
        at = pd.DatetimeIndex(base.index)[place].strftime("%Y-%m-%dT%H:%M:%SZ")
        assert found[name] == {"at": at, "value": base[name].iloc[place]}
    assert found["average"] == pytest.approx(np.average(base["close"], weights=base["minutes"]), rel=1e-12)
    assert found["volume"] == pytest.approx(base["volume"].sum(), rel=1e-12)
    whole_days = base[
        (base.index >= pd.Timestamp(start).ceil("D")) & (base.index < pd.Timestamp(end).floor("D"))
    ]
    closes = whole_days["close"].resample("1D").last()
    returns = pd.Series(np.log(closes.to_numpy())).diff()
    if returns.count() < 2:
        assert found["volatility"] is None
    else:
        assert found["volatility"] == pytest.approx(returns.std(ddof=1) * math.sqrt(365), rel=1e-9)


def test_two_days_have_no_volatility(api: Api) -> None:
    assert movement(api, "lastDays: 2")["volatility"] is None


def test_a_gap_day_is_in_the_coverage_of_a_movement(api: Api) -> None:
    found = movement(api, 'days: {from: "2023-03-01", to: "2023-03-31"}')
    assert found["coverage"] == {
        "expected": 31,
        "present": 29,
        "missing": [{"from": "2023-03-10T00:00:00Z", "to": "2023-03-12T00:00:00Z", "bars": 2}],
    }


def test_instants_up_to_now_end_with_the_newest_bar(api: Api, bars: pd.DataFrame) -> None:
    found = movement(api, instants("2024-01-10T00:00:00Z", "2024-01-12T00:00:00Z"))
    assert found["resolved"] == {
        "from": "2024-01-10T00:00:00Z",
        "to": "2024-01-11T12:30:00Z",
        "interval": "MINUTE",
        "clamped": True,
    }
    assert found["close"] == bars["close"].iloc[-1]


def test_instants_from_before_the_data_need_no_finer_bars_for_it(api: Api) -> None:
    found = movement(api, instants("2022-12-01T05:30:00Z", "2023-02-01T00:00:00Z"))
    assert found["resolved"] == {
        "from": "2023-01-01T00:00:00Z",
        "to": "2023-02-01T00:00:00Z",
        "interval": "DAY",
        "clamped": True,
    }


def test_a_range_without_bars_moves_nothing(api: Api) -> None:
    found = movement(api, 'days: {from: "2023-03-10", to: "2023-03-11"}')
    assert {name for name, value in found.items() if value is not None} == {"resolved", "coverage"}
    assert found["coverage"]["present"] == 0
    outside = movement(api, 'days: {from: "2010-03-10", to: "2010-03-11"}')
    assert outside["coverage"] == {"expected": 0, "present": 0, "missing": []}
    warned = api.market(
        'movement(range: {days: {from: "2010-03-10", to: "2010-03-11"}}) { warnings { code } }'
    )
    assert warned["movement"]["warnings"] == [{"code": "CLAMPED"}]


def test_bounds_inside_a_day_of_daily_bars_are_refused(api: Api) -> None:
    asked = instants("2023-02-01T05:00:00Z", "2023-02-03T00:00:00Z")
    error = api.refused(f"movement(range: {{{asked}}}) {{ open }}")
    assert error["extensions"] == {"code": "INTERVAL_UNSUPPORTED", "finestInterval": "DAY"}


def test_minutes_over_a_year_are_refused(api: Api) -> None:
    asked = instants("2023-01-01T05:07:00Z", "2024-01-03T00:00:00Z")
    error = api.refused(f"movement(range: {{{asked}}}) {{ open }}")
    assert error["extensions"]["code"] == "RANGE_TOO_LARGE"
    assert "midnight" in error["message"]


PRICES = [
    ("the newest of all", "", "2024-01-11T12:30:00Z", 296),
    ("an instant to come is taken for now", '(at: "2030-01-01T00:00:00Z")', "2024-01-11T12:30:00Z", 296),
    ("a null is no instant", "(at: null)", "2024-01-11T12:30:00Z", 296),
    ("the day that ended just then", '(at: "2023-02-02T00:00:00Z")', "2023-02-02T00:00:00Z", 0),
    ("the day before one that goes on", '(at: "2023-02-02T23:59:59Z")', "2023-02-02T00:00:00Z", 86399),
    ("an hour that ended", '(at: "2023-10-05T10:59:00Z")', "2023-10-05T07:00:00Z", 14340),
    ("across a missing day", '(at: "2023-09-10T12:00:00Z")', "2023-09-10T00:00:00Z", 43200),
]


@pytest.mark.parametrize(("why", "argument", "at", "age"), PRICES)
def test_the_price_at_an_instant_is_the_close_of_the_newest_bar_that_had_ended(
    api: Api, bars: pd.DataFrame, why: str, argument: str, at: str, age: int
) -> None:
    price = api.market(f"price{argument} {{ at value ageSeconds }}")["price"]
    ends = bars.index + pd.to_timedelta(bars["minutes"], unit="min")
    newest = bars[ends <= pd.Timestamp(at)].iloc[-1]
    if why == "the newest of all":
        at = ends.max().strftime("%Y-%m-%dT%H:%M:%SZ")
        age = int((pd.Timestamp(NOW) - ends.max()).total_seconds())
    assert price["value"] == newest["close"], why
    assert (price["at"], price["ageSeconds"]) == (at, age), why


def test_the_price_across_a_gap_longer_than_a_week(api: Api) -> None:
    price = api.market('price(at: "2024-01-10T00:00:00Z") { at value }', "FAKE-USD")["price"]
    assert price == {"at": "2020-02-10T00:00:00Z", "value": 40}


def test_there_is_no_price_before_the_first_bar_has_ended(api: Api) -> None:
    error = api.refused('price(at: "2023-01-01T23:00:00Z") { value }')
    assert error["extensions"]["code"] == "RANGE_INVALID"
    assert "2023-01-01T00:00:00Z" in error["message"]
