from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from tests.api.markets import PROBABILITIES, close_before
from tests.api.serving import Api

FIELDS = """
  issuedAt basedOn retrospective lastClose stale
  model { name version trainedFrom trainedThrough dataHash backtest {
    origins pinballRatio relativeMae coverage80 coverage95
    yearCoverage80 yearCoverage95 firstOrigin lastOrigin
  } }
  points { day horizon price actual interval { level lower upper } quantiles { probability price } }
"""


def forecast(api: Api, arguments: str = "") -> Any:
    return api.market(f"forecast{arguments} {{ {FIELDS} }}")["forecast"]


def test_the_newest_forecast_has_fifteen_days_and_its_model(api: Api) -> None:
    found = forecast(api)
    points = found.pop("points")
    assert found == {
        "issuedAt": "2024-01-10T01:00:00Z",
        "basedOn": "2024-01-05",
        "retrospective": True,
        "lastClose": 30_000,
        "stale": True,
        "model": {
            "name": "test",
            "version": "2",
            "trainedFrom": "2023-01-01",
            "trainedThrough": "2024-01-05",
            "dataHash": "abc",
            "backtest": {
                "origins": 30,
                "pinballRatio": 0.98,
                "relativeMae": 1.01,
                "coverage80": 0.8,
                "coverage95": 0.95,
                "yearCoverage80": 0.79,
                "yearCoverage95": 0.94,
                "firstOrigin": "2023-01-01",
                "lastOrigin": "2023-12-01",
            },
        },
    }
    assert [point["horizon"] for point in points] == list(range(1, 16))
    assert (points[0]["day"], points[14]["day"]) == ("2024-01-06", "2024-01-20")
    assert points[2]["price"] == 30_000
    assert points[2]["interval"] == {"level": 80, "lower": 28_800, "upper": 31_200}
    assert points[2]["quantiles"] == [
        {"probability": p, "price": pytest.approx(30_000 + 3000 * (p - 0.5))} for p in PROBABILITIES
    ]


def test_what_came_of_a_forecast_day_is_told_once_the_day_is_complete(api: Api, bars: pd.DataFrame) -> None:
    actual = {point["day"]: point["actual"] for point in forecast(api)["points"]}
    assert actual["2024-01-06"] == close_before(bars, "2024-01-07")
    assert actual["2024-01-08"] is None  # a day without bars
    assert actual["2024-01-10"] == close_before(bars, "2024-01-11")
    assert actual["2024-01-11"] is None  # a day that goes on


def test_a_forecast_as_of_a_day_uses_no_later_day_and_is_never_stale(api: Api) -> None:
    found = forecast(api, '(asOf: "2024-01-04", horizon: 2)')
    assert (found["basedOn"], found["retrospective"], found["stale"]) == ("2023-12-20", False, False)
    assert len(found["points"]) == 2


def test_a_model_without_a_backtest_has_none_and_every_forecast_says_what_its_median_is_worth(
    api: Api,
) -> None:
    found = api.market(
        'forecast(asOf: "2024-01-04", horizon: 1) { statement model { version backtest { origins } } }'
    )
    assert found["forecast"]["model"] == {"version": "1", "backtest": None}
    assert "no more accurate than today's price" in found["forecast"]["statement"]


def test_no_forecast_is_said_with_what_there_is(api: Api) -> None:
    error = api.refused('forecast(asOf: "2020-01-01") { basedOn }')
    assert error["extensions"]["code"] == "FORECAST_UNAVAILABLE"
    assert "2023-12-20 to 2024-01-05" in error["message"]
    error = api.refused("forecast { basedOn }", "DAY-USD")
    assert error["extensions"]["code"] == "FORECAST_UNAVAILABLE"
    assert "DAY-USD" in error["message"]


@pytest.mark.parametrize("level", [20, 40, 60, 80, 90, 95])
def test_every_forecast_level_is_an_interval(api: Api, level: int) -> None:
    selection = f"forecast {{ points {{ interval(level: {level}) {{ level lower upper }} }} }}"
    first = api.market(selection)["forecast"]["points"][0]["interval"]
    assert first == {
        "level": level,
        "lower": pytest.approx(30_000 - 5 * level),
        "upper": pytest.approx(30_000 + 5 * level),
    }


@pytest.mark.parametrize("level", [-20, 0, 50, 100, 2147483647])
def test_another_level_is_refused_with_those_there_are(api: Api, level: int) -> None:
    error = api.refused(f"forecast(horizon: 1) {{ points {{ interval(level: {level}) {{ lower }} }} }}")
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert "20, 40, 60, 80, 90, 95" in error["message"]


@pytest.mark.parametrize("horizon", [0, -1, 16])
def test_a_horizon_out_of_bounds_is_refused(api: Api, horizon: int) -> None:
    error = api.refused(f"forecast(horizon: {horizon}) {{ basedOn }}")
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert f"horizon {horizon} " in error["message"]


def test_a_horizon_beyond_what_was_forecast_is_refused(api: Api) -> None:
    error = api.refused('forecast(asOf: "2024-01-04", horizon: 11) { basedOn }')
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert "horizon 11 is beyond this forecast's 10" in error["message"]
