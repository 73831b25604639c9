"""How far a price is likely to move: the volatility that returns are measured in.

Three estimates, each from the bars up to its own day:
- a day's variance from its range (Garman and Klass 1980), with the jump from the last close;
- the slow volatility, the root mean square of four years of daily returns;
- the expected mean variance of the next h days, regressed on the means of the last day, week, month, quarter
  (Corsi 2009, "A simple approximate long-memory model of realized volatility", in logarithms).
The scale is the geometric mean of the last two: half way from the regression to the long-run level.
"""

from __future__ import annotations

import numpy as np

from ml.frame import DailyBars, Floats
from ml.returns import FOUR_YEARS, HORIZONS

WINDOWS = (1, 5, 22, 66)
SMALLEST_VOLATILITY = 1e-6  # a day: below it the price does not move
WARM_UP = 90  # days without rows: the slow volatility and the longest window start there
_FLOOR = 1e-4  # of the slow variance: a day that did not move at all has no logarithm
_RIDGE = 1e-6  # of the number of rows: a market without ups and downs of volatility can still be solved


def daily_returns(close: Floats) -> Floats:
    """Return log(close[d] / close[d - 1]) of shape (n,); the first is zero."""
    return np.diff(np.log(close), prepend=np.log(close[:1]))


def daily_variances(bars: DailyBars) -> Floats:
    """Return each day's Garman-Klass variance plus the squared jump from the last close, of shape (n,)."""
    span = np.log(bars.high / bars.low)
    body = np.log(bars.close / bars.open)
    jump = np.log(bars.open[1:] / bars.close[:-1])
    within: Floats = np.maximum(0.5 * span**2 - (2 * np.log(2) - 1) * body**2, 0.0)
    return within + np.concatenate(([0.0], jump**2))


def trailing_mean(values: Floats, window: int) -> Floats:
    """Return the mean of the last `window` values up to each row, of all of them where there are fewer."""
    sums = np.concatenate((np.zeros(1), np.cumsum(values)))
    rows = np.arange(1, len(values) + 1)
    starts = np.maximum(rows - window, 0)
    return (sums[rows] - sums[starts]) / (rows - starts)


def slow_volatility(close: Floats) -> Floats:
    """Return the root mean square of the last four years' daily log returns, of shape (n,)."""
    variances: Floats = np.maximum(trailing_mean(daily_returns(close) ** 2, FOUR_YEARS), 0.0)
    volatility: Floats = np.sqrt(variances)
    return volatility


def log_variances(bars: DailyBars, slow: Floats) -> Floats:
    """Return the log mean variances of the last 1, 5, 22, 66 days over the slow one: shape (n, windows)."""
    variances = daily_variances(bars)
    return np.stack([_log_ratio(trailing_mean(variances, window), slow) for window in WINDOWS], axis=1)


def _log_ratio(variances: Floats, slow: Floats) -> Floats:
    ratio: Floats = np.maximum(variances / np.maximum(slow, SMALLEST_VOLATILITY) ** 2, _FLOOR)
    return np.log(ratio)


def horizon_volatility(bars: DailyBars, slow: Floats) -> Floats:
    """Return the expected daily volatility over the next h days from each day, of shape (n, horizons).

    The regressions are fitted on the days whose next h days are among `bars` and whose `slow` is not next to
    zero; there must be some.
    """
    known = log_variances(bars, slow)
    design = np.concatenate((np.ones((len(known), 1)), known), axis=1)
    variances = daily_variances(bars)
    moved = slow >= SMALLEST_VOLATILITY
    moved[:WARM_UP] = False
    volatility = np.empty((len(design), len(HORIZONS)))
    for column, horizon in enumerate(HORIZONS):
        chosen = moved[:-horizon]
        target = _log_ratio(trailing_mean(variances, horizon)[horizon:], slow[:-horizon])[chosen]
        rows = design[:-horizon][chosen]
        # Sums instead of a matrix product: BLAS adds in another order when it has more threads.
        gram = (rows[:, :, None] * rows[:, None, :]).sum(axis=0) + np.eye(rows.shape[1]) * _RIDGE * len(rows)
        weights = np.linalg.solve(gram, (rows * target[:, None]).sum(axis=0))
        fitted = (design * weights).sum(axis=1)
        volatility[:, column] = slow * np.exp(0.25 * fitted)  # sqrt(slow * (slow * exp(fitted / 2)))
    return volatility
