"""Log returns over the horizons, and their plain historical quantiles: the target and the baseline."""

from __future__ import annotations

import numpy as np

from btcql.errors import ForecastError
from btcql.scores import FEWEST_RETURNS, FOUR_YEARS
from ml.frame import Flags, Floats

HORIZONS = tuple(range(1, 16))
PROBABILITIES = (0.025, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.975)
MEDIAN = PROBABILITIES.index(0.5)


def later_returns(close: Floats, traded: Flags) -> Floats:
    """Return log(close[d + h] / close[d]) of shape (n, horizons), for `close` and `traded` of shape (n,).

    NaN where d + h is after the last day, and where either of the two days has no bar.
    """
    log_close = np.where(traded, np.log(close), np.nan)
    returns = np.full((len(close), len(HORIZONS)), np.nan)
    for column, horizon in enumerate(HORIZONS):
        returns[:-horizon, column] = log_close[horizon:] - log_close[:-horizon]
    return returns


def historical_quantiles(returns: Floats) -> Floats:
    """Return the quantiles of the last four years of `returns` (n, horizons): (horizons, probabilities).

    Each horizon takes the days whose return is known; of the unscaled returns this is the forecast to beat.
    Raises ForecastError where fewer than 200 are.
    """
    recent = returns[-FOUR_YEARS:]
    known = [column[~np.isnan(column)] for column in recent.T]
    for horizon, column in zip(HORIZONS, known, strict=True):
        if len(column) < FEWEST_RETURNS:
            raise ForecastError(
                f"only {len(column)} returns over {horizon} days are known in the last four years; "
                f"a forecast needs at least {FEWEST_RETURNS}"
            )
    return np.stack([np.quantile(column, PROBABILITIES) for column in known])
