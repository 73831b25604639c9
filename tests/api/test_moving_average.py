from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.api.markets import resampled
from tests.api.serving import Api

FIELDS = """
  resolved { from to interval clamped } window kind
  points { start value close observations status }
  columns { start value close }
  warnings { code }
"""


def average(api: Api, arguments: str, symbol: str = "BTC-USD") -> Any:
    return api.market(f"movingAverage({arguments}) {{ {FIELDS} }}", symbol)["movingAverage"]


def days(first: str, last: str) -> str:
    return f'range: {{days: {{from: "{first}", to: "{last}"}}}}'


def test_the_golden_case(api: Api) -> None:
    series = average(api, f"{days('2023-12-05', '2023-12-10')}, window: 3", "DAY-USD")
    assert [point["value"] for point in series["points"]] == [4, 5, 6, 7, 8, 9]
    assert [point["close"] for point in series["points"]] == [5, 6, 7, 8, 9, 10]
    assert {(point["status"], point["observations"]) for point in series["points"]} == {("OK", 3)}
    assert series["columns"]["value"] == [4, 5, 6, 7, 8, 9]
    assert (series["window"], series["kind"]) == (3, "SIMPLE")


def test_the_other_kinds_on_the_golden_case(api: Api) -> None:
    for kind, values in {
        "WEIGHTED": [26 / 6, 32 / 6, 38 / 6, 44 / 6],  # (1*3 + 2*4 + 3*5) / 6, ...
        "EXPONENTIAL": [4, 5, 6, 7],  # seeded with 2 at day 3, then half of the way to each day
    }.items():
        series = average(api, f"{days('2023-12-05', '2023-12-08')}, window: 3, kind: {kind}", "DAY-USD")
        assert [point["value"] for point in series["points"]] == pytest.approx(values, rel=1e-15)


@pytest.mark.parametrize("kind", ["SIMPLE", "EXPONENTIAL", "WEIGHTED"])
def test_the_first_bars_are_a_warm_up(api: Api, kind: str) -> None:
    series = average(api, f"{days('2023-12-01', '2023-12-04')}, window: 3, kind: {kind}", "DAY-USD")
    assert [(point["status"], point["observations"]) for point in series["points"]] == [
        ("WARMUP", 1),
        ("WARMUP", 2),
        ("OK", 3),
        ("OK", 3),
    ]
    assert [point["value"] is None for point in series["points"]] == [True, True, False, False]


@pytest.mark.parametrize("kind", ["SIMPLE", "EXPONENTIAL", "WEIGHTED"])
def test_a_missing_bar_is_a_gap_until_the_window_is_whole_again(api: Api, kind: str) -> None:
    series = average(api, f"{days('2023-12-09', '2023-12-15')}, window: 3, kind: {kind}", "GAP-USD")
    found = [(point["status"], point["observations"], point["close"]) for point in series["points"]]
    assert found == [
        ("OK", 3, 9),
        ("GAP", 2, None),
        ("GAP", 1, None),
        ("GAP", 1, 12),
        ("GAP", 2, 13),
        ("OK", 3, 14),
        ("OK", 3, 15),
    ]
    assert series["points"][5]["value"] == pytest.approx(80 / 6 if kind == "WEIGHTED" else 13)


@pytest.mark.parametrize("kind", ["SIMPLE", "EXPONENTIAL", "WEIGHTED"])
def test_a_window_of_one_is_the_price(api: Api, kind: str) -> None:
    series = average(api, f"range: {{last: QUARTER}}, window: 1, kind: {kind}")
    assert series["columns"]["value"] == series["columns"]["close"]


@pytest.mark.parametrize(("interval", "rule", "finest"), [("DAY", "1D", 1440), ("HOUR", "1h", 60)])
@pytest.mark.parametrize("window", [2, 7, 200])
def test_the_simple_average_is_pandas_rolling_mean(
    api: Api, bars: pd.DataFrame, interval: str, rule: str, finest: int, window: int
) -> None:
    series = average(api, f"range: {{lastDays: 160}}, window: {window}, interval: {interval}")
    base = bars[bars["minutes"] <= finest]
    closes = resampled(base, rule)["close"].asfreq(rule)
    expected = closes.rolling(window).mean()
    starts = pd.to_datetime([point["start"] for point in series["points"]])
    found = pd.Series([point["value"] for point in series["points"]], starts, dtype=float)
    assert len(found) == 160 * (1 if interval == "DAY" else 24)
    pd.testing.assert_series_equal(
        found,
        expected.reindex(starts),
        rtol=1e-9,
        check_names=False,
        check_freq=False,
        check_index_type=False,
    )


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kind=st.sampled_from(["SIMPLE", "EXPONENTIAL", "WEIGHTED"]),
    interval=st.sampled_from(["DAY", "WEEK", "HOUR", "FIFTEEN_MINUTES"]),
    window=st.integers(1, 60),
    offset=st.integers(0, 9),
)
def test_no_shared_point_changes_with_the_start(
    api: Api, kind: str, interval: str, window: int, offset: int
) -> None:
    first = date(2024, 1, 1)
    arguments = f"window: {window}, kind: {kind}, interval: {interval}"
    whole = average(api, f"{days(str(first), '2024-01-10')}, {arguments}")["points"]
    part = average(api, f"{days(str(first + timedelta(days=offset)), '2024-01-10')}, {arguments}")["points"]
    assert part == whole[len(whole) - len(part) :]


@pytest.mark.parametrize("window", [0, -1, 1001, 2147483647])
def test_a_window_out_of_bounds_is_refused(api: Api, window: int) -> None:
    error = api.refused(f"movingAverage(range: {{last: WEEK}}, window: {window}) {{ points {{ value }} }}")
    assert error["extensions"]["code"] == "WINDOW_INVALID"
    assert str(window) in error["message"]


def test_a_long_window_over_a_short_history_is_all_warm_up(api: Api) -> None:
    series = average(api, "range: {last: ALL}, window: 1000, kind: EXPONENTIAL", "DAY-USD")
    assert {point["status"] for point in series["points"]} == {"WARMUP"}
    assert series["points"][-1]["observations"] == 41


def test_an_empty_range_has_no_points(api: Api) -> None:
    for kind in ("SIMPLE", "EXPONENTIAL"):
        series = average(api, f"{days('2010-01-01', '2010-01-02')}, window: 7, kind: {kind}")
        assert series["points"] == []
        assert series["columns"] == {"start": [], "value": [], "close": []}
        assert series["resolved"]["clamped"] is True


def test_an_average_of_too_many_points_is_refused_before_it_is_read(api: Api) -> None:
    for asked, suggested in (
        ("{last: YEAR}, interval: MINUTE", "HOUR"),
        ("{lastDays: 8}, interval: MINUTE", "FIVE_MINUTES"),
    ):
        error = api.refused(f"movingAverage(range: {asked}, window: 7) {{ window }}")
        assert error["extensions"] == {
            "code": "RANGE_TOO_LARGE",
            "maxPoints": 10_000,
            "suggestedInterval": suggested,
            "downsamples": False,
            "export": "/export/movingAverage",
        }
        assert "/export/movingAverage" in error["message"]
        assert "maxPoints" not in error["message"], "no argument of it"
