"""Bars against what pandas makes of the same base bars."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from tests.api.markets import close_before, resampled
from tests.api.serving import Api

FIELDS = """
  resolved { from to interval clamped }
  points { start open high low close volume observed complete filled }
  columns { start open high low close volume observed }
  coverage { expected present missing { from to bars } }
  warnings { code message }
"""
PRICES = ["open", "high", "low", "close"]


def candles(api: Api, arguments: str, symbol: str = "BTC-USD") -> Any:
    return api.market(f"candles({arguments}) {{ {FIELDS} }}", symbol)["candles"]


def framed(points: list[dict[str, Any]]) -> pd.DataFrame:
    frame = pd.DataFrame(points).set_index("start")
    frame.index = pd.to_datetime(frame.index)
    return frame


INTERVALS = [
    ("MINUTE", "1min", "2024-01-04T22:00:00Z", "2024-01-05T08:00:00Z", 1),
    ("FIVE_MINUTES", "5min", "2024-01-04T00:00:00Z", "2024-01-09T08:00:00Z", 1),
    ("FIFTEEN_MINUTES", "15min", "2024-01-01T00:00:00Z", "2024-01-11T12:30:00Z", 1),
    ("HOUR", "1h", "2023-09-09T00:00:00Z", "2023-10-06T00:00:00Z", 60),
    ("FOUR_HOURS", "4h", "2023-07-01T00:00:00Z", "2024-01-11T12:00:00Z", 60),
    ("DAY", "1D", "2023-01-01T00:00:00Z", "2024-01-11T00:00:00Z", 1440),
    ("WEEK", "W-MON", "2022-12-26T00:00:00Z", "2024-01-08T00:00:00Z", 1440),
    ("MONTH", "MS", "2023-01-01T00:00:00Z", "2024-01-01T00:00:00Z", 1440),
]


@pytest.mark.parametrize(("interval", "rule", "start", "end", "finest"), INTERVALS)
def test_bars_of_every_interval_are_those_of_pandas(
    api: Api, bars: pd.DataFrame, interval: str, rule: str, start: str, end: str, finest: int
) -> None:
    series = candles(api, f'range: {{instants: {{from: "{start}", to: "{end}"}}}}, interval: {interval}')
    base = bars[(bars.index < pd.Timestamp(end)) & (bars["minutes"] <= finest)]
    expected = resampled(base, rule)
    expected = expected[expected.index >= pd.Timestamp(start)]
    assert series["resolved"] == {"from": start, "to": end, "interval": interval, "clamped": False}
    found = framed(series["points"])
    existing = found[found["observed"] > 0]
    assert list(existing.index) == list(expected.index)
    assert (existing[[*PRICES, "observed"]] == expected[[*PRICES, "observed"]].to_numpy()).all(axis=None)
    assert existing["volume"].to_numpy() == pytest.approx(expected["volume"].to_numpy(), rel=1e-12)
    assert found[found["observed"] == 0][[*PRICES, "volume"]].isna().all(axis=None)
    assert found["complete"].all()
    assert not found["filled"].any()
    assert series["coverage"]["expected"] == len(found)
    assert series["coverage"]["present"] == len(expected)
    assert sum(gap["bars"] for gap in series["coverage"]["missing"]) == len(found) - len(expected)


def test_columns_are_the_points_by_column_with_epoch_milliseconds(api: Api) -> None:
    series = candles(api, 'range: {days: {from: "2023-03-08", to: "2023-03-13"}}')
    for name in ("open", "high", "low", "close", "volume"):
        assert series["columns"][name] == [point[name] for point in series["points"]]
    starts = pd.to_datetime([point["start"] for point in series["points"]])
    assert series["columns"]["start"] == [int(at.timestamp() * 1000) for at in starts]


def test_a_missing_stretch_is_named_half_open(api: Api) -> None:
    series = candles(api, 'range: {days: {from: "2023-03-08", to: "2023-03-13"}}')
    gap = {"from": "2023-03-10T00:00:00Z", "to": "2023-03-12T00:00:00Z", "bars": 2}
    assert series["coverage"] == {"expected": 6, "present": 4, "missing": [gap]}
    assert series["points"][2] == {
        "start": "2023-03-10T00:00:00Z",
        **dict.fromkeys([*PRICES, "volume"]),
        "observed": 0,
        "complete": True,
        "filled": False,
    }


def test_previous_fills_with_the_close_before_even_from_before_the_range(
    api: Api, bars: pd.DataFrame
) -> None:
    series = candles(api, 'range: {days: {from: "2023-03-10", to: "2023-03-12"}}, fill: PREVIOUS')
    before = close_before(bars, "2023-03-10")
    for point in series["points"][:2]:
        assert [point[name] for name in PRICES] == [before] * 4
        assert (point["volume"], point["observed"], point["filled"]) == (0, 0, True)
    assert series["points"][2]["filled"] is False
    assert series["coverage"]["present"] == 1


def test_previous_fills_inside_the_range_with_the_newest_close(api: Api, bars: pd.DataFrame) -> None:
    series = candles(
        api,
        'range: {instants: {from: "2024-01-04T00:00:00Z", to: "2024-01-06T00:00:00Z"}},'
        "interval: MINUTE, fill: PREVIOUS",
    )
    minutes = bars[bars["minutes"] == 1]
    grid = pd.date_range("2024-01-04", "2024-01-06", freq="min", inclusive="left", tz="UTC")
    expected = minutes["close"].reindex(grid, method="ffill")
    assert series["columns"]["close"] == expected.tolist()


def test_none_leaves_missing_bars_out_but_not_out_of_the_coverage(api: Api) -> None:
    series = candles(api, 'range: {days: {from: "2023-03-08", to: "2023-03-13"}}, fill: NONE')
    assert [point["start"][:10] for point in series["points"]] == [
        "2023-03-08",
        "2023-03-09",
        "2023-03-12",
        "2023-03-13",
    ]
    assert series["coverage"]["expected"] == 6


RANGES = [
    ("a rolling day", "last: DAY", "2024-01-10", "2024-01-11", False),
    ("a rolling week is seven days", "last: WEEK", "2024-01-04", "2024-01-11", False),
    ("a rolling month is the calendar's", "last: MONTH", "2023-12-11", "2024-01-11", False),
    ("a rolling quarter", "last: QUARTER", "2023-10-11", "2024-01-11", False),
    ("a rolling year", "last: YEAR", "2023-01-11", "2024-01-11", False),
    ("all there is", "last: ALL", "2023-01-01", "2024-01-11", False),
    ("days back from the last complete one", "lastDays: 3", "2024-01-08", "2024-01-11", False),
    ("more days than there are", "lastDays: 2147483647", "2023-01-01", "2024-01-11", True),
    ("both days are in", 'days: {from: "2023-02-01", to: "2023-02-03"}', "2023-02-01", "2023-02-04", False),
    ("one day", 'days: {from: "2023-02-01", to: "2023-02-01"}', "2023-02-01", "2023-02-02", False),
    (
        "a day that is not over",
        'days: {from: "2024-01-10", to: "2024-01-11"}',
        "2024-01-10",
        "2024-01-11",
        True,
    ),
    ("all of time", 'days: {from: "0001-01-01", to: "9999-12-31"}', "2023-01-01", "2024-01-11", True),
    ("before the data", 'days: {from: "2010-01-01", to: "2010-02-01"}', "2023-01-01", "2023-01-01", True),
    ("after the data", 'days: {from: "9999-12-30", to: "9999-12-31"}', "2024-01-11", "2024-01-11", True),
    (
        "instants are widened to whole bars",
        'instants: {from: "2023-02-01T23:59:59.5Z", to: "2023-02-03T00:00:00.000001Z"}',
        "2023-02-01",
        "2023-02-04",
        False,
    ),
    (
        "offsets are taken for what they say",
        'instants: {from: "2023-02-01T02:00:00+02:00", to: "2023-02-01T19:00:00-05:00"}',
        "2023-02-01",
        "2023-02-02",
        False,
    ),
    (
        "a spring forward somewhere is no matter",
        'instants: {from: "2023-03-26T00:00:00Z", to: "2023-03-28T00:00:00Z"}',
        "2023-03-26",
        "2023-03-28",
        False,
    ),
]


@pytest.mark.parametrize(("why", "asked", "start", "end", "clamped"), RANGES)
def test_every_kind_of_range(api: Api, why: str, asked: str, start: str, end: str, clamped: bool) -> None:
    series = candles(api, f"range: {{{asked}}}")
    assert series["resolved"] == {
        "from": f"{start}T00:00:00Z",
        "to": f"{end}T00:00:00Z",
        "interval": "DAY",
        "clamped": clamped,
    }, why
    assert len(series["points"]) == (pd.Timestamp(end) - pd.Timestamp(start)).days
    assert series["coverage"]["expected"] == len(series["points"])
    assert [warning["code"] for warning in series["warnings"]] == ["CLAMPED"] * clamped


def test_a_range_can_come_in_a_variable(api: Api) -> None:
    query = "query ($r: RangeInput!) { market { candles(range: $r) { resolved { from } } } }"
    data = api.ask(query, r={"days": {"from": "2023-02-01", "to": "2023-02-03"}})
    assert data["market"]["candles"]["resolved"]["from"] == "2023-02-01T00:00:00Z"


def test_the_current_bar_is_shown_only_when_asked_and_marked(api: Api, bars: pd.DataFrame) -> None:
    asked = 'range: {days: {from: "2024-01-10", to: "2024-01-11"}}'
    series = candles(api, f"{asked}, includeIncomplete: true")
    assert [point["complete"] for point in series["points"]] == [True, False]
    assert series["points"][1]["close"] == bars["close"].iloc[-1]
    assert series["resolved"]["clamped"] is False
    assert len(candles(api, asked)["points"]) == 1


def test_a_rolling_range_ends_with_the_last_complete_bar_of_its_interval(api: Api) -> None:
    ends = {
        "MINUTE": "2024-01-11T12:30:00Z",
        "HOUR": "2024-01-11T12:00:00Z",
        "WEEK": "2024-01-08T00:00:00Z",
        "MONTH": "2024-01-01T00:00:00Z",
    }
    for interval, end in ends.items():
        series = candles(api, f"range: {{last: DAY}}, interval: {interval}")
        assert series["resolved"]["to"] == end


def test_stretches_without_bars_fine_enough_are_missing_and_said(api: Api) -> None:
    series = candles(
        api,
        'range: {instants: {from: "2023-06-29T00:00:00Z", to: "2023-07-02T00:00:00Z"}}, interval: HOUR',
    )
    assert series["coverage"]["present"] == 24
    assert series["coverage"]["missing"] == [
        {"from": "2023-06-29T00:00:00Z", "to": "2023-07-01T00:00:00Z", "bars": 48}
    ]
    assert [warning["code"] for warning in series["warnings"]] == ["COARSER_BARS"]


@pytest.mark.parametrize(
    ("day", "interval", "finest"), [("2023-05-01", "HOUR", "DAY"), ("2023-08-01", "FIVE_MINUTES", "HOUR")]
)
def test_an_interval_finer_than_any_bar_of_the_range_is_refused(
    api: Api, day: str, interval: str, finest: str
) -> None:
    error = api.refused(
        f'candles(range: {{days: {{from: "{day}", to: "{day}"}}}}, interval: {interval})'
        "{ points { open } }"
    )
    assert error["extensions"] == {"code": "INTERVAL_UNSUPPORTED", "finestInterval": finest}
    assert interval in error["message"]
    assert finest in error["message"]


def test_a_day_wholly_missing_is_no_reason_to_refuse_an_interval(api: Api) -> None:
    series = candles(api, 'range: {days: {from: "2023-09-10", to: "2023-09-10"}}, interval: HOUR')
    assert series["coverage"]["present"] == 0
    assert series["warnings"] == []


def test_a_range_of_too_many_bars_is_refused_with_an_interval_that_fits(api: Api) -> None:
    error = api.refused("candles(range: {last: YEAR}, interval: MINUTE) { points { start } }")
    assert error["extensions"] == {
        "code": "RANGE_TOO_LARGE",
        "maxPoints": 10_000,
        "suggestedInterval": "HOUR",
        "downsamples": False,
        "export": "/export/candles",
    }
    assert "/export/candles" in error["message"]
