from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btcql import averages
from btcql.errors import QueryError
from btcql.records import AverageKind

kinds = st.sampled_from(list(AverageKind))
ORIGIN = 1_000


def averaged(series: averages.Floats, window: int, kind: AverageKind, first: int) -> averages.Averages:
    """Average a series that begins at bar ORIGIN, from bar `first` to its end."""
    lead = averages.lead(window, kind, first)
    closes = np.full(lead + ORIGIN + len(series) - first, np.nan)
    for bar, close in enumerate(series, ORIGIN):
        if bar >= first - lead:
            closes[bar - first + lead] = close
    return averages.average(closes, window, kind, first, ORIGIN)


def walk(seed: int, size: int, missing: float) -> averages.Floats:
    random = np.random.default_rng(seed)
    closes = 20_000 * np.exp(np.cumsum(random.normal(0, 0.02, size)))
    closes[random.uniform(size=size) < missing] = np.nan
    return closes


def test_the_golden_case() -> None:
    found = averaged(np.arange(1.0, 11), 3, AverageKind.SIMPLE, ORIGIN + 4)
    assert found.value.tolist() == [4, 5, 6, 7, 8, 9]
    assert found.status.tolist() == [averages.OK] * 6
    assert found.observations.tolist() == [3] * 6


@settings(deadline=None)
@given(
    kind=kinds,
    window=st.integers(1, 40),
    seed=st.integers(0, 1_000),
    missing=st.sampled_from([0, 0.02]),
    start=st.integers(0, 1_999),
)
def test_no_shared_point_changes_with_the_start(
    kind: AverageKind, window: int, seed: int, missing: float, start: int
) -> None:
    series = walk(seed, 2_000, missing)
    whole = averaged(series, window, kind, ORIGIN)
    part = averaged(series, window, kind, ORIGIN + start)
    assert part.value.tobytes() == whole.value[start:].tobytes()
    assert part.status.tolist() == whole.status[start:].tolist()
    assert part.observations.tolist() == whole.observations[start:].tolist()


@pytest.mark.parametrize("window", [1, 2, 7, 200, 1000])
def test_simple_and_weighted_are_what_pandas_makes_of_a_window(window: int) -> None:
    series = walk(1, 3_000, 0.001)
    rolling = pd.Series(series).rolling(window)
    weights = np.arange(1, window + 1) / (window * (window + 1) / 2)
    expected = {
        AverageKind.SIMPLE: rolling.mean(),
        AverageKind.WEIGHTED: rolling.apply(lambda closes: closes @ weights, raw=True),
    }
    for kind, wanted in expected.items():
        found = averaged(series, window, kind, ORIGIN)
        assert found.value == pytest.approx(wanted.to_numpy(), rel=1e-12, nan_ok=True)


@pytest.mark.parametrize("window", [1, 2, 7, 100])
def test_exponential_is_the_recursion_from_the_series_start(window: int) -> None:
    series = walk(2, 12_000, 0)  # longer than the memory that an anchor keeps, for each of the windows
    seeded = np.concatenate(([series[:window].mean()], series[window:]))
    expected = pd.Series(seeded).ewm(alpha=2 / (window + 1), adjust=False).mean()
    found = averaged(series, window, AverageKind.EXPONENTIAL, ORIGIN)
    assert np.isnan(found.value[: window - 1]).all()
    assert found.value[window - 1 :] == pytest.approx(expected.to_numpy(), rel=1e-13)


@pytest.mark.parametrize("kind", AverageKind)
def test_status_tells_a_warm_up_from_a_gap(kind: AverageKind) -> None:
    series = np.arange(1.0, 11)
    series[5] = np.nan
    found = averaged(series, 3, kind, ORIGIN)
    ok, warmup, gap = averages.OK, averages.WARMUP, averages.GAP
    assert found.status.tolist() == [warmup, warmup, ok, ok, ok, gap, gap, gap, ok, ok]
    assert found.observations.tolist() == [1, 2, 3, 3, 3, 2, 2, 2, 3, 3]
    assert np.isnan(found.value).tolist() == [status != ok for status in found.status]


def test_the_exponential_average_is_seeded_anew_after_a_gap() -> None:
    series = np.array([1.0, 2, 3, np.nan, 10, 20, 30, 50])
    found = averaged(series, 3, AverageKind.EXPONENTIAL, ORIGIN)
    assert found.value[[2, 6, 7]].tolist() == [2, 20, 35]


@pytest.mark.parametrize("window", [0, -3, 1001])
def test_a_window_out_of_bounds_is_refused(window: int) -> None:
    with pytest.raises(QueryError, match=f"window {window} is not in 1..1000") as caught:
        averages.check_window(window)
    assert caught.value.code == "WINDOW_INVALID"


def test_an_empty_range_has_no_averages() -> None:
    for kind in AverageKind:
        assert averaged(np.arange(5.0), 3, kind, ORIGIN + 5).value.shape == (0,)
