"""How far a price is likely to move: the volatility that returns are measured in.

Three estimates, each from the bars up to its own day:
- a day's variance from its range (Garman and Klass 1980), with the jump from the last close;
- the slow volatility, the root mean square of four years of daily returns;
- the expected mean variance of the next h days, regressed on the means of the last day, week, month, quarter
  and year (Corsi 2009, "A simple approximate long-memory model of realized volatility", in logarithms) and on
  the share of weekend days among the next h.
The scale is the geometric mean of the last two: half way from the regression to the long-run level.
"""

from __future__ import annotations

import numpy as np

from btcql.scores import FOUR_YEARS
from ml.frame import DailyBars, Flags, Floats
from ml.returns import HORIZONS
from ml.week import weekend_share

WINDOWS = (1, 5, 22, 66, 365)
SMALLEST_VOLATILITY = 1e-6  # a day: below it the price does not move
WARM_UP = 90  # days without rows: the slow volatility and most windows start there
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


def log_ratio(variances: Floats, slow: Floats) -> Floats:
    """Return log(variances / slow**2), with a floor under both."""
    ratio: Floats = np.maximum(variances / np.maximum(slow, SMALLEST_VOLATILITY) ** 2, _FLOOR)
    return np.log(ratio)


def log_variances(bars: DailyBars, slow: Floats) -> Floats:
    """Return the log mean variances of the last WINDOWS days over the slow one: shape (n, windows)."""
    variances = daily_variances(bars)
    return np.stack([log_ratio(trailing_mean(variances, window), slow) for window in WINDOWS], axis=1)


def later_log_variances(bars: DailyBars, slow: Floats) -> Floats:
    """Return the log mean variance of the next h days over the slow one: (n, horizons), NaN at the end."""
    variances = daily_variances(bars)
    later = np.full((len(slow), len(HORIZONS)), np.nan)
    for column, horizon in enumerate(HORIZONS):
        means = trailing_mean(variances, horizon)[horizon:]
        later[:-horizon, column] = log_ratio(means, slow[:-horizon])
    return later


def design(bars: DailyBars, slow: Floats) -> Floats:
    """Return what the regressions know of each day and horizon: (n, horizons, regressors)."""
    known, share = log_variances(bars, slow), weekend_share(bars)
    wide = np.broadcast_to(known[:, None, :], (*share.shape, known.shape[1]))
    return np.concatenate((np.ones((*share.shape, 1)), wide, share[:, :, None]), axis=2)


def regress(rows: Floats, targets: Floats, chosen: Flags) -> Floats:
    """Return each horizon's least squares weights, of shape (horizons, regressors).

    rows: a `design`; targets: `later_log_variances`; chosen: the days to fit, of shape (n,), of which some
    must have each target.
    """
    weights = np.empty(rows.shape[1:])
    for column in range(rows.shape[1]):
        fit = chosen & ~np.isnan(targets[:, column])
        own, target = rows[fit, column], targets[fit, column]
        # Sums instead of a matrix product: BLAS adds in another order when it has more threads.
        gram = (own[:, :, None] * own[:, None, :]).sum(axis=0) + np.eye(own.shape[1]) * _RIDGE * len(own)
        weights[column] = np.linalg.solve(gram, (own * target[:, None]).sum(axis=0))
    return weights


def expected_log_variances(rows: Floats, weights: Floats) -> Floats:
    """Return the expected `later_log_variances` of each row of a `design`: (n, horizons)."""
    fitted: Floats = (rows * weights).sum(axis=2)
    return fitted
