from __future__ import annotations

import numpy as np
import pytest

from ml import scale
from ml.frame import DailyBars, Floats
from ml.returns import HORIZONS, historical_quantiles, later_returns
from tests.ml.markets import bars_around, made_bars, with_columns, with_rows


def test_the_mean_of_the_first_rows_is_of_what_there_is() -> None:
    assert scale.trailing_mean(np.array([1.0, 2.0, 3.0, 4.0]), 3).tolist() == [1.0, 1.5, 2.0, 3.0]


def test_the_slow_volatility_is_the_root_mean_square_of_four_years() -> None:
    bars = made_bars(1800)
    returns = np.diff(np.log(bars.close))[-1461:]
    assert scale.slow_volatility(bars.close)[-1] == pytest.approx(np.sqrt(np.mean(returns**2)), rel=1e-12)


def test_a_bar_of_one_price_has_only_the_variance_of_its_jump() -> None:
    bars = bars_around(np.array([100.0, 100.0, 110.0]))
    flat = with_columns(bars, dict.fromkeys(("open", "high", "low"), bars.close))
    assert scale.daily_variances(flat) == pytest.approx([0.0, 0.0, np.log(1.1) ** 2])


def test_garman_and_klass_of_a_known_bar() -> None:
    prices = {"open": 1.0, "high": 4.0, "low": 0.5, "close": 2.0}
    bars = with_columns(made_bars(2), {name: np.array([1.0, price]) for name, price in prices.items()})
    expected = 0.5 * np.log(8) ** 2 - (2 * np.log(2) - 1) * np.log(2) ** 2
    assert scale.daily_variances(bars)[1] == pytest.approx(expected)


def test_a_gap_moves_the_jump_to_the_next_bar_and_keeps_the_variance_of_the_whole() -> None:
    bars = with_rows(made_bars(50), np.r_[0:20, 25:50])
    filled, _ = bars.on_calendar()
    assert scale.daily_variances(filled).sum() == pytest.approx(scale.daily_variances(bars).sum())


def expected_volatility(bars: DailyBars) -> Floats:
    slow = scale.slow_volatility(bars.close)
    rows, after_warm_up = scale.design(bars, slow), np.arange(len(bars)) >= scale.WARM_UP
    weights = scale.regress(rows, scale.later_log_variances(bars, slow), after_warm_up)
    volatility: Floats = slow[:, None] * np.exp(0.5 * scale.expected_log_variances(rows, weights))
    return volatility


def test_the_expected_volatility_follows_the_clusters() -> None:
    rng = np.random.default_rng(3)
    calm_and_wild = np.where(np.arange(1500) // 50 % 2, 0.06, 0.015)
    bars = bars_around(100 * np.exp(np.cumsum(calm_and_wild * rng.standard_normal(1500))), reach=0.005)
    volatility = expected_volatility(bars)
    assert volatility.shape == (1500, len(HORIZONS))
    # well inside the last two regimes of 50 days
    wild, calm = volatility[1365:1380].mean(axis=0), volatility[1415:1430].mean(axis=0)
    assert (wild > 1.25 * calm).all()


def test_the_further_the_horizon_the_nearer_the_expected_volatility_is_to_the_long_run() -> None:
    bars = made_bars(1500)
    slow = scale.slow_volatility(bars.close)
    spread = np.log(expected_volatility(bars)[1:] / slow[1:, None])[scale.WARM_UP :].std(axis=0)
    assert spread[0] > 1.1 * spread[-1]


def test_a_later_return_is_unknown_beyond_the_end_and_across_a_day_without_a_bar() -> None:
    returns = later_returns(np.array([1.0, 2.0, 2.0, 8.0]), np.array([True, True, False, True]))
    assert returns[:, 0] == pytest.approx([np.log(2), np.nan, np.nan, np.nan], nan_ok=True)
    assert returns[:, 1] == pytest.approx([np.nan, np.log(4), np.nan, np.nan], nan_ok=True)
    assert returns[:, 2] == pytest.approx([np.log(8), np.nan, np.nan, np.nan], nan_ok=True)
    assert np.isnan(returns[:, 3:]).all()


def test_the_baseline_is_of_the_last_four_years_only() -> None:
    returns = np.concatenate((np.full((500, 15), 9.0), np.zeros((1461, 15))))
    assert (historical_quantiles(returns) == 0).all()
