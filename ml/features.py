"""What the model may know on a day: stationary numbers, free of the price's and the volume's units.

Moves are in units of the slow volatility, so that a market of 2012 and one of 2024 look alike. Every feature
of a day is made of bars up to that day; a window that is not yet full is NaN, which XGBoost takes as missing.
No feature tells the year or the place in a cycle: there were too few of them to learn from.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ml.frame import DailyBars, Floats
from ml.scale import daily_returns, log_ratio, log_variances
from ml.week import weekdays

_DECAYS = (0.8, 0.94, 0.97)
_RANGES = (10, 30)
_LAST = 3
_MOMENTUM = (3, 5, 10, 20, 30, 60, 90)
_TRENDS = (20, 50, 200)
_DRAWDOWNS = (30, 90, 365)
_EXTREME, _MONTH, _QUARTER, _SHAPE, _STRENGTH = 10, 22, 66, 60, 14

NAMES = (
    *("variance_1", "variance_5", "variance_22", "variance_66", "variance_365"),
    *(f"ewma_variance_{round(100 * decay)}" for decay in _DECAYS),
    *(f"return_variance_{days}" for days in _RANGES),
    *("volatility_of_volatility_22", "volatility_of_volatility_66", "largest_move_10"),
    *("skew_60", "kurtosis_60", "downside_22"),
    *(f"return_{age}" for age in range(1, _LAST + 1)),
    *(f"momentum_{days}" for days in _MOMENTUM),
    "relative_strength_14",
    *(f"distance_from_mean_{days}" for days in _TRENDS),
    *(f"drawdown_{days}" for days in _DRAWDOWNS),
    *("volume_1", "volume_5", "volume_score_66", "close_location", "close_location_5", "day_of_week"),
    *("horizon", "weekend_share", "expected_variance"),
)
BY_HORIZON = 3  # the last of them differ by horizon


@dataclass(frozen=True, slots=True)
class Moves:
    """What several features are made of: columns of shape (n,), and windows of shape (n, days)."""

    log_close: Floats
    returns: Floats
    unit: Floats

    def over(self, days: int) -> Floats:
        """Return the move of the last `days` days in units of what is usual over as many."""
        before = _windows(self.log_close, days + 1)[:, 0]
        moved: Floats = (self.log_close - before) / (self.unit * np.sqrt(days))
        return moved


def _windows(values: Floats, window: int) -> Floats:
    """Return the last `window` values up to each row, of shape (n, window), NaN before the first."""
    padded = np.concatenate((np.full(window - 1, np.nan), values))
    return np.lib.stride_tricks.sliding_window_view(padded, window)


def _ratio(above: Floats, below: Floats) -> Floats:
    """Return above / below, NaN where `below` is zero."""
    return np.divide(above, below, out=np.full_like(above, np.nan), where=below > 0)


def _decayed(values: Floats, decay: float) -> Floats:
    """Return the exponentially weighted mean of the values up to each row, of shape (n,)."""
    mean, rest = np.empty_like(values), 0.0
    weight = 0.0
    for row, value in enumerate(values.tolist()):
        rest, weight = decay * rest + value, decay * weight + 1.0
        mean[row] = rest / weight
    return mean


def day_features(bars: DailyBars, slow: Floats) -> Floats:
    """Return the features of each day, of shape (n, len(NAMES) - BY_HORIZON), for consecutive days.

    slow: the slow volatility of each day, of shape (n,).
    """
    returns = daily_returns(bars.close)
    moves = Moves(np.log(bars.close), returns, np.where(slow > 0, slow, np.nan))
    columns = [*_volatility(bars, moves, slow), *_shape(moves), *_trend(moves), *_trading(bars)]
    return np.stack([*columns, weekdays(bars)], axis=1)


def _volatility(bars: DailyBars, moves: Moves, slow: Floats) -> list[Floats]:
    variances = log_variances(bars, slow)
    return [
        *variances.T,
        *(log_ratio(_decayed(moves.returns**2, decay), slow) for decay in _DECAYS),
        *(log_ratio((_windows(moves.returns, days) ** 2).mean(axis=1), slow) for days in _RANGES),
        *(_windows(variances[:, 0], days).std(axis=1) for days in (_MONTH, _QUARTER)),
        np.abs(_windows(moves.returns, _EXTREME)).max(axis=1) / moves.unit,
    ]


def _shape(moves: Moves) -> list[Floats]:
    recent, month = _windows(moves.returns, _SHAPE), _windows(moves.returns, _MONTH)
    spread = (recent**2).mean(axis=1)
    return [
        _ratio((recent**3).mean(axis=1), spread**1.5),
        _ratio((recent**4).mean(axis=1), spread**2),
        _ratio((np.minimum(month, 0.0) ** 2).sum(axis=1), (month**2).sum(axis=1)),
        *(_windows(moves.returns, age)[:, 0] / moves.unit for age in range(1, _LAST + 1)),
    ]


def _trend(moves: Moves) -> list[Floats]:
    steps = _windows(moves.returns, _STRENGTH)
    return [
        *(moves.over(days) for days in _MOMENTUM),
        _ratio(np.maximum(steps, 0.0).sum(axis=1), np.abs(steps).sum(axis=1)),
        *(
            (moves.log_close - _windows(moves.log_close, days).mean(axis=1)) / (moves.unit * np.sqrt(days))
            for days in _TRENDS
        ),
        *(
            (moves.log_close - _windows(moves.log_close, days).max(axis=1)) / (moves.unit * np.sqrt(days))
            for days in _DRAWDOWNS
        ),
    ]


def _trading(bars: DailyBars) -> list[Floats]:
    month, quarter = _windows(bars.volume, _MONTH).mean(axis=1), np.sqrt(_windows(bars.volume, _QUARTER))
    location = _ratio(bars.close - bars.low, bars.high - bars.low)
    return [
        _ratio(bars.volume, month),
        _ratio(_windows(bars.volume, 5).mean(axis=1), month),
        _ratio(quarter[:, -1] - quarter.mean(axis=1), quarter.std(axis=1)),
        location,
        _windows(location, 5).mean(axis=1),
    ]
