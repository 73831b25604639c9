"""What the model may know on a day: stationary numbers, free of the price's and the volume's units.

Moves are in units of the slow volatility, so that a market of 2012 and one of 2024 look alike. Every feature
of a day is made of bars up to that day; a window that is not yet full is NaN, which XGBoost takes as missing.
"""

from __future__ import annotations

import numpy as np

from ml.frame import DailyBars, Floats
from ml.returns import HORIZONS
from ml.scale import daily_returns, log_variances

_MOMENTUM = (3, 10, 30, 90)
_EXTREME, _MONTH, _SKEW, _TREND, _YEAR = 10, 22, 60, 200, 365
_WEEKEND = 5  # Saturday, counted from Monday

NAMES = (
    *("variance_1", "variance_5", "variance_22", "variance_66"),
    *("volatility_of_volatility", "largest_move_10", "skew_60", "return_1"),
    *(f"momentum_{days}" for days in _MOMENTUM),
    *("distance_from_mean_200", "drawdown_365", "volume_1", "volume_5", "close_location"),
    *("horizon", "weekend_share"),
)


def _windows(values: Floats, window: int) -> Floats:
    """Return the last `window` values up to each row, of shape (n, window), NaN before the first."""
    padded = np.concatenate((np.full(window - 1, np.nan), values))
    return np.lib.stride_tricks.sliding_window_view(padded, window)


def _ratio(above: Floats, below: Floats) -> Floats:
    """Return above / below, NaN where `below` is zero."""
    return np.divide(above, below, out=np.full_like(above, np.nan), where=below > 0)


def day_features(bars: DailyBars, slow: Floats) -> Floats:
    """Return the features of each day, of shape (n, len(NAMES) - 2), for consecutive days.

    slow: the slow volatility of each day, of shape (n,).
    """
    log_close, returns = np.log(bars.close), daily_returns(bars.close)
    variances = log_variances(bars, slow)
    unit = np.where(slow > 0, slow, np.nan)
    moves = _windows(returns, _SKEW)
    week_volume = _windows(bars.volume, 5).mean(axis=1)
    month_volume = _windows(bars.volume, _MONTH).mean(axis=1)
    columns = [
        *variances.T,
        _windows(variances[:, 0], _MONTH).std(axis=1),
        np.abs(_windows(returns, _EXTREME)).max(axis=1) / unit,
        _ratio((moves**3).mean(axis=1), (moves**2).mean(axis=1) ** 1.5),
        returns / unit,
        *((log_close - _windows(log_close, d + 1)[:, 0]) / (unit * np.sqrt(d)) for d in _MOMENTUM),
        (log_close - _windows(log_close, _TREND).mean(axis=1)) / (unit * np.sqrt(_TREND)),
        (log_close - _windows(log_close, _YEAR).max(axis=1)) / (unit * np.sqrt(_YEAR)),
        _ratio(bars.volume, month_volume),
        _ratio(week_volume, month_volume),
        _ratio(bars.close - bars.low, bars.high - bars.low),
    ]
    return np.stack(columns, axis=1)


def horizon_features(bars: DailyBars) -> Floats:
    """Return each horizon and the share of weekend days on the way to it: shape (n, horizons, 2)."""
    weekday = (bars.day.astype("datetime64[D]").astype(np.int64) + 3) % 7  # 1970-01-01 was a Thursday
    steps = np.array(HORIZONS)
    weekend = (weekday[:, None] + steps) % 7 >= _WEEKEND
    share = np.cumsum(weekend, axis=1) / steps
    return np.stack((np.broadcast_to(steps, share.shape).astype(np.float64), share), axis=2)
