from __future__ import annotations

import subprocess
import sys
from datetime import date, timedelta

import numpy as np
import pytest

from btcql.errors import ForecastError
from btcql.vintages import Vintage
from ml import features
from ml.frame import DailyBars, Floats
from ml.history import History
from ml.learned import Learned
from ml.vintage import issue, usable_bars
from tests.ml.markets import COLUMNS, bars_around, day_of, last_day, made_bars, with_columns, with_rows


def written(vintage: Vintage) -> bytes:
    """All of the vintage, each float to its last bit."""
    return repr(vintage).encode()


def check_sound(vintage: Vintage) -> None:
    assert [point.horizon for point in vintage.points] == list(range(1, 16))
    assert [point.day - vintage.based_on for point in vintage.points] == [timedelta(h) for h in range(1, 16)]
    prices = np.array([point.prices for point in vintage.points])
    assert prices.shape == (15, len(vintage.probabilities))
    assert np.isfinite(prices).all()
    assert (prices > 0).all()
    assert (np.diff(prices, axis=1) > 0).all()
    median = vintage.probabilities.index(0.5)
    above, below = (
        np.log(prices[:, median + 1 :] / prices[:, [median]]),
        np.log(prices[:, :median] / prices[:, [median]]),
    )
    assert (np.diff(above, axis=0) > 0).all()
    assert (np.diff(below, axis=0) < 0).all()


def test_a_forecast_has_fifteen_days_of_strictly_ascending_prices_in_widening_bands() -> None:
    bars = made_bars(900)
    vintage = issue(bars, last_day(bars))
    check_sound(vintage)
    prices = np.array([point.prices for point in vintage.points])
    assert (np.diff(prices[:, -3] - prices[:, 2]) > 0).all(), "the 80 % band"
    assert 2 < (prices[-1, -3] - prices[-1, 2]) / (prices[0, -3] - prices[0, 2]) < 8, "about sqrt(15)"
    assert vintage.last_close == bars.close[-1]
    assert vintage.model.trained_from == day_of(bars, 0)
    assert vintage.model.trained_through == vintage.based_on == last_day(bars)
    assert vintage.model.data_hash == bars.data_hash()


def test_the_bands_hold_about_what_they_promise_on_days_never_seen() -> None:
    bars, rows = made_bars(2000, seed=11), np.arange(1000, 1985)
    past = History.of(bars)
    median, offsets = Learned.from_past(past.until(int(past.day[rows[0]]))).offsets(past, rows)
    low, high = median + offsets[:, :, 2], median + offsets[:, :, -3]
    held = (low <= past.returns[rows]) & (past.returns[rows] <= high)
    assert 0.75 < held.mean() < 0.87


def _changed_after(bars: DailyBars, row: int) -> DailyBars:
    later = np.arange(len(bars)) > row
    return with_columns(
        bars, {name: np.where(later, 5 * getattr(bars, name), getattr(bars, name)) for name in COLUMNS}
    )


def test_later_bars_change_no_byte_of_a_forecast() -> None:
    bars, row = made_bars(700), 600
    based_on = day_of(bars, row)
    expected = written(issue(with_rows(bars, slice(row + 1)), based_on))
    assert written(issue(bars, based_on)) == expected
    assert written(issue(_changed_after(bars, row), based_on)) == expected


def test_a_leaking_feature_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    bars, row = made_bars(700), 600
    honest = features.day_features

    def forecast_with_leak(everything: DailyBars) -> bytes:
        def leaking(known: DailyBars, slow: Floats) -> Floats:
            values = honest(known, slow)
            tomorrow = np.log(everything.close[1 : len(known) + 1] / everything.close[: len(known)])
            values[:, :8] = tomorrow[:, None]
            return values

        monkeypatch.setattr(features, "day_features", leaking)
        return written(issue(everything, day_of(everything, row)))

    assert forecast_with_leak(bars) != forecast_with_leak(_changed_after(bars, row))


def test_an_earlier_bar_does_change_the_forecast() -> None:
    bars = made_bars(700)
    changed = with_columns(bars, {"volume": np.where(np.arange(700) == 100, 1.0, bars.volume)})
    one, other = issue(bars, last_day(bars)), issue(changed, last_day(bars))
    assert one.model.data_hash != other.model.data_hash


def test_the_same_bars_give_the_same_bytes_at_one_and_two_threads() -> None:
    bars = made_bars(600)
    one = written(issue(bars, last_day(bars)))
    assert written(issue(bars, last_day(bars), threads=2)) == one
    assert written(issue(bars, last_day(bars))) == one


def test_another_process_gives_the_same_bytes() -> None:
    program = (
        "import sys; from ml.vintage import issue; from tests.ml.markets import last_day, made_bars; "
        "bars = made_bars(700); sys.stdout.write(repr(issue(bars, last_day(bars))))"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    bars = made_bars(700)
    assert ran.stdout == written(issue(bars, last_day(bars)))


def _crash(bars: DailyBars) -> DailyBars:
    close, low = bars.close.copy(), bars.low.copy()
    close[-1] = low[-1] = bars.open[-1] / 10
    return with_columns(bars, {"close": close, "low": low})


def _mostly_still(days: int) -> DailyBars:
    moves = np.where(np.arange(days) % 7 == 0, 0.01, 0.0) * np.where(np.arange(days) % 2, 1, -1)
    return bars_around(100 * np.exp(np.cumsum(moves)))


@pytest.mark.parametrize(
    "bars",
    [
        pytest.param(made_bars(400), id="just enough history"),
        pytest.param(made_bars(800, price=1e-5), id="a price of 0.00001"),
        pytest.param(made_bars(800, price=1e6), id="a price of a million"),
        pytest.param(_crash(made_bars(800)), id="a crash of 90 % in the last bar"),
        pytest.param(_crash(made_bars(400)), id="a crash of 90 % with little history"),
        pytest.param(with_columns(made_bars(800), {"volume": np.zeros(800)}), id="no volume at all"),
        pytest.param(
            with_columns(made_bars(800), {"volume": np.where(np.arange(800) > 700, 0.0, 5.0)}),
            id="no volume of late",
        ),
        pytest.param(with_rows(made_bars(800), np.r_[0:300, 320:700, 703:800]), id="gaps"),
        pytest.param(with_rows(made_bars(1200), np.r_[0:500, 700:1200]), id="a long gap, enough after it"),
        pytest.param(_mostly_still(800), id="a price that moves once a week"),
        pytest.param(
            bars_around(np.concatenate((made_bars(700).close, np.full(300, made_bars(700).close[-1])))),
            id="still for the last 300 days",
        ),
        pytest.param(bars_around(np.exp(np.arange(800) / 100)), id="a straight line upwards"),
        pytest.param(
            bars_around(np.where(np.arange(800) % 2, 1.0, 4.0)), id="up and down fourfold every day"
        ),
    ],
)
def test_an_odd_market_gets_a_sound_forecast(bars: DailyBars) -> None:
    check_sound(issue(bars, last_day(bars)))


def _flat_then_crash(days: int) -> DailyBars:
    return bars_around(np.concatenate((np.full(days - 1, 100.0), [10.0])))


@pytest.mark.parametrize(
    ("bars", "reason"),
    [
        pytest.param(made_bars(399), "only 399 closed days through .* at least 400", id="too little history"),
        pytest.param(
            with_rows(made_bars(900), np.r_[0:500, 550:900]),
            "only 350 closed days .* since a gap of over 30 days that ended on 2016-07-04",
            id="too little since a long gap",
        ),
        pytest.param(
            with_rows(made_bars(800), np.r_[0:760, 760:800:2]),
            r"only \d+ of the 66 days through .* have a bar",
            id="too few bars of late",
        ),
        pytest.param(
            with_rows(made_bars(3000), np.r_[0:2930:5, 2930:3000]),
            r"only \d+ returns over 1 days are known",
            id="bars every fifth day",
        ),
        pytest.param(bars_around(np.full(800, 100.0)), "the price hardly moved", id="a flat market"),
        pytest.param(_flat_then_crash(800), "the price hardly moved", id="flat but for the last bar"),
    ],
)
def test_bars_that_say_too_little_are_refused_with_the_reason(bars: DailyBars, reason: str) -> None:
    for refusing in (issue, usable_bars):
        with pytest.raises(ForecastError, match=reason):
            refusing(bars, last_day(bars))


def test_the_bars_to_learn_from_are_told_before_the_learning() -> None:
    bars = with_rows(made_bars(1200), np.r_[0:500, 700:1200])
    based_on = day_of(bars, 950)
    used = usable_bars(bars, based_on)
    assert (day_of(used, 0), last_day(used)) == (day_of(bars, 500), based_on)
    assert used.data_hash() == issue(bars, based_on).model.data_hash


@pytest.mark.parametrize("based_on", [date(2014, 1, 1), date(2015, 3, 1), date(2030, 1, 1)])
def test_a_day_without_a_bar_is_no_base(based_on: date) -> None:
    bars = with_rows(made_bars(900), np.r_[0:59, 60:900])
    with pytest.raises(ForecastError, match=f"there is no closed bar for {based_on}"):
        issue(bars, based_on)


def test_a_price_beyond_what_a_float_holds_is_refused_not_served() -> None:
    wild = bars_around(np.exp(np.where(np.arange(800) % 2, -340.0, 340.0)))
    with pytest.raises(ForecastError, match="too wild"):
        issue(wild, last_day(wild))
