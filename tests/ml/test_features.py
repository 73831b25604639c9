from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from ml import features
from ml.frame import DailyBars, Floats
from ml.scale import slow_volatility
from ml.week import weekend_share
from tests.ml.markets import made_bars, with_columns

DAYS, CUT = 500, 430


def _sees_later_bars(compute: Callable[[DailyBars, Floats], Floats]) -> bool:
    """Whether a day's features change with the bars after it."""
    bars = made_bars(DAYS)
    later = np.arange(DAYS) >= CUT
    prices = {
        name: np.where(later, 3 * getattr(bars, name), getattr(bars, name))
        for name in ("open", "high", "low", "close", "volume")
    }
    changed = with_columns(bars, prices)
    before, after = (compute(each, slow_volatility(each.close))[:CUT] for each in (bars, changed))
    return before.tobytes() != after.tobytes()


def test_no_feature_of_a_day_sees_a_later_bar() -> None:
    assert not _sees_later_bars(features.day_features)


def test_a_feature_that_sees_tomorrow_is_caught() -> None:
    def leaking(bars: DailyBars, slow: Floats) -> Floats:
        values = features.day_features(bars, slow)
        values[:-1, 0] = np.diff(np.log(bars.close))
        return values

    assert _sees_later_bars(leaking)


def test_every_feature_has_its_name() -> None:
    bars = made_bars(DAYS)
    by_day = features.day_features(bars, slow_volatility(bars.close))
    assert by_day.shape == (DAYS, len(features.NAMES) - features.BY_HORIZON)
    assert len(set(features.NAMES)) == len(features.NAMES)


def test_all_features_are_known_once_their_windows_are_full() -> None:
    bars = made_bars(DAYS)
    assert np.isfinite(features.day_features(bars, slow_volatility(bars.close))[365:]).all()


@pytest.mark.parametrize("factor", [1e-8, 1e6])
def test_features_do_not_depend_on_the_units_of_price_and_volume(factor: float) -> None:
    bars = made_bars(DAYS)
    scaled = with_columns(
        bars, {name: factor * getattr(bars, name) for name in ("open", "high", "low", "close", "volume")}
    )
    one, other = (features.day_features(each, slow_volatility(each.close)) for each in (bars, scaled))
    assert other == pytest.approx(one, rel=1e-6, abs=1e-6, nan_ok=True)


def test_a_saturday_counts_as_weekend() -> None:
    bars = made_bars(2)  # from Thursday, the first of January 2015
    share = weekend_share(bars)[0]
    assert share[:5] == pytest.approx([0, 1 / 2, 2 / 3, 2 / 4, 2 / 5])
