from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest

from btcql.errors import ForecastError
from ml import backtest, rivals
from ml.frame import DailyBars
from ml.vintage import issue
from tests.ml.markets import COLUMNS, bars_around, day_of, last_day, made_bars, with_columns, with_rows

BARS = made_bars(640)
FIRST, LAST = day_of(BARS, 600), day_of(BARS, 620)


def changed_after(bars: DailyBars, row: int) -> DailyBars:
    later = np.arange(len(bars)) > row
    prices = {name: np.where(later, 3 * getattr(bars, name), getattr(bars, name)) for name in COLUMNS}
    return with_columns(bars, prices)


def test_origins_are_every_so_many_days_that_have_a_bar() -> None:
    gappy = with_rows(BARS, np.r_[0:605, 606:640])
    assert backtest.origins(gappy, FIRST, LAST, 5) == [FIRST + timedelta(days) for days in (0, 10, 15, 20)]


def test_an_origin_without_all_its_outcomes_is_refused_with_the_last_that_has_them() -> None:
    newest = last_day(BARS) - timedelta(15)
    assert backtest.origins(BARS, newest, newest, 5) == [newest]
    with pytest.raises(ForecastError, match=f"are closed: end with {newest}"):
        backtest.origins(BARS, FIRST, newest + timedelta(1), 5)
    with pytest.raises(ForecastError, match="no day from 2014-01-01 to 2014-02-01 has a bar"):
        backtest.origins(BARS, date(2014, 1, 1), date(2014, 2, 1), 5)


def test_later_bars_change_no_byte_of_any_method() -> None:
    origin = day_of(BARS, 600)
    expected = backtest.forecast(with_rows(BARS, slice(601)), origin)
    for bars in (BARS, changed_after(BARS, 600)):
        found = backtest.forecast(bars, origin)
        assert {name: own.tobytes() for name, own in found.items()} == {
            name: own.tobytes() for name, own in expected.items()
        }


def test_a_backtest_forecasts_what_would_have_been_issued_at_one_and_two_processes_alike() -> None:
    days, told = backtest.origins(BARS, FIRST, LAST, 4), list[int]()
    one, two = backtest.run(BARS, days, 1, told.append), backtest.run(BARS, days, 2)
    assert sum(told) == len(days) == 6
    assert one.day == two.day == days
    assert {name: own.tobytes() for name, own in one.quantiles.items()} == {
        name: own.tobytes() for name, own in two.quantiles.items()
    }
    issued = issue(BARS, days[0])
    prices = one.close[0] * np.exp(one.quantiles[backtest.MODEL][0])
    assert [list(point.prices) for point in issued.points] == prices.tolist()
    assert one.came[0] == pytest.approx(np.log(BARS.close[601:616] / BARS.close[600]))


def test_origins_that_allow_no_forecast_are_told_with_their_reason() -> None:
    days = [day_of(BARS, row) for row in (398, 399)]
    outcomes = backtest.run(BARS, days, 1)
    assert outcomes.day == days[1:]
    assert "only 399 closed days" in outcomes.refused[days[0]]
    with pytest.raises(ForecastError, match="none of 1 origins allows a forecast: only 399 closed days"):
        backtest.run(BARS, days[:1], 1)


@pytest.fixture
def walk() -> DailyBars:
    """Independent normal returns of 2 % a day: what each rival should make of them is known."""
    returns = 0.02 * np.random.default_rng(5).standard_normal(1600)
    return bars_around(100 * np.exp(np.cumsum(returns)))


@pytest.mark.parametrize("rival", [rivals.baseline, rivals.arima])
def test_the_rivals_know_a_random_walk(walk: DailyBars, rival: object) -> None:
    assert callable(rival)
    if rival is rivals.arima:
        pytest.importorskip("statsmodels", reason="an extra: btcql[backtest]")
    width = np.diff(rival(walk)[:, [2, -3]], axis=1)[:, 0]
    assert width == pytest.approx(2 * 1.2816 * 0.02 * np.sqrt(np.arange(1, 16)), rel=0.2)


def test_the_simulation_follows_the_volatility_of_now(walk: DailyBars) -> None:
    quiet = np.concatenate((walk.close, walk.close[-1] * np.exp(0.001 * (np.arange(60) % 2))))
    usual, after_quiet = (rivals.ewma_simulation(bars) for bars in (walk, bars_around(quiet)))
    assert np.diff(usual[:, [2, -3]], axis=1)[0, 0] == pytest.approx(2 * 1.2816 * 0.02, rel=0.4)
    assert (after_quiet[:, -3] < usual[:, -3] / 2).all()
    wild = bars_around(np.concatenate((np.exp(5 * np.sin(np.arange(400) ** 2)), 100 * walk.close)))
    assert (rivals.recent_ewma_simulation(wild) != rivals.ewma_simulation(wild)).all()
    assert rivals.recent_ewma_simulation(wild)[0, -3] == pytest.approx(0.0256, rel=0.4)
    assert rivals.ewma_simulation(walk).tobytes() == usual.tobytes(), "its seed is its day's"
