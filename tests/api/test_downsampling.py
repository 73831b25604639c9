"""maxPoints: a chart's worth of a long range, each point one of its bars."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.api.serving import Api

pytestmark = pytest.mark.parametrize("edition", ["plain"], indirect=True, scope="session")

DAYS = 'range: {days: {from: "2023-02-01", to: "2023-12-31"}}'
FIELDS = (
    "points { start open high low close volume observed complete filled } "
    "coverage { expected present missing { bars } } resolved { from to clamped } warnings { code message }"
)


def candles(api: Api, arguments: str) -> Any:
    return api.market(f"candles({arguments}) {{ {FIELDS} }}")["candles"]


@pytest.mark.parametrize("most", [3, 40, 300])
def test_a_downsampled_series_is_some_of_its_bars_and_says_so(api: Api, most: int) -> None:
    whole, thinned = candles(api, DAYS), candles(api, f"{DAYS}, maxPoints: {most}")
    assert len(thinned["points"]) == most
    present = [point for point in whole["points"] if point["close"] is not None]
    assert len(present) < len(whole["points"])
    places = [present.index(point) for point in thinned["points"]]
    assert places == sorted(set(places))
    assert (places[0], places[-1]) == (0, len(present) - 1)
    (warning,) = thinned["warnings"]
    assert warning["code"] == "DOWNSAMPLED"
    assert f"{len(whole['points'])} bars were downsampled to {most}" in warning["message"]
    for aggregate in ("coverage", "resolved"):
        assert thinned[aggregate] == whole[aggregate]


def test_the_bars_are_chosen_by_the_largest_triangles(api: Api) -> None:
    whole = candles(api, 'range: {days: {from: "2023-07-15", to: "2023-08-31"}}')["points"]
    close = np.array([point["close"] for point in whole])
    expected = [whole[place] for place in largest_triangles(close, 12)]
    assert candles(api, 'range: {days: {from: "2023-07-15", to: "2023-08-31"}}, maxPoints: 12')["points"] == (
        expected
    )


def largest_triangles(y: Any, points: int) -> list[int]:
    """Return the places that the paper's algorithm chooses, over evenly spaced bars."""
    edges = np.floor(np.linspace(1, len(y) - 1, points - 1)).astype(int)
    chosen = [0]
    for bucket in range(points - 2):
        after = slice(edges[bucket + 1], edges[bucket + 2] if bucket + 2 < len(edges) else len(y))
        x_after, y_after = np.arange(len(y))[after].mean(), y[after].mean()
        left = chosen[-1]
        areas = [
            abs((left - x_after) * (y[i] - y[left]) - (left - i) * (y_after - y[left]))
            for i in range(edges[bucket], edges[bucket + 1])
        ]
        chosen.append(int(edges[bucket] + np.argmax(areas)))
    return [*chosen, len(y) - 1]


def test_a_series_that_is_short_enough_is_left_alone(api: Api) -> None:
    asked = 'range: {days: {from: "2023-03-05", to: "2023-03-15"}}'
    assert candles(api, f"{asked}, maxPoints: 11") == candles(api, asked)


def test_one_point_is_the_last_bar_and_two_are_the_ends(api: Api) -> None:
    whole = candles(api, DAYS)["points"]
    assert candles(api, f"{DAYS}, maxPoints: 1")["points"] == [whole[-1]]
    assert candles(api, f"{DAYS}, maxPoints: 2")["points"] == [whole[0], whole[-1]]


def test_filled_bars_are_bars_and_columns_are_thinned_alike(api: Api) -> None:
    found = api.market(
        f"candles({DAYS}, fill: PREVIOUS, maxPoints: 50) {{ points {{ close }} columns {{ start close }} }}"
    )["candles"]
    assert [point["close"] for point in found["points"]] == found["columns"]["close"]
    assert len(found["columns"]["start"]) == 50


def test_more_bars_than_a_series_carries_can_be_had_downsampled(api: Api) -> None:
    minutes = 'range: {days: {from: "2024-01-01", to: "2024-01-10"}}, interval: MINUTE'
    refused = api.refused(f"candles({minutes}) {{ points {{ close }} }}")
    assert refused["extensions"] == {
        "code": "RANGE_TOO_LARGE",
        "maxPoints": 10_000,
        "suggestedInterval": "FIVE_MINUTES",
        "downsamples": True,
        "export": "/export/candles",
    }
    assert "maxPoints, which downsamples them" in refused["message"]
    found = candles(api, f"{minutes}, maxPoints: 500")
    assert (len(found["points"]), found["coverage"]["expected"]) == (500, 14_400)


def test_even_then_the_bars_that_are_read_are_bounded(api: Api) -> None:
    error = api.refused("candles(range: {last: ALL}, interval: MINUTE, maxPoints: 500) { points { close } }")
    assert error["extensions"] == {
        "code": "RANGE_TOO_LARGE",
        "maxPoints": 10_000,
        "suggestedInterval": "HOUR",
        "downsamples": False,
        "export": "/export/candles",
    }
    assert "more than the 100000 that are read" in error["message"]


@pytest.mark.parametrize("most", [0, -1, 10_001, -(2**31), 2**31 - 1])
def test_a_number_of_points_that_is_none_is_refused_by_name(api: Api, most: int) -> None:
    error = api.refused(f"candles({DAYS}, maxPoints: {most}) {{ points {{ close }} }}")
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert f"maxPoints {most} " in error["message"]
