"""What the forecast is measured against: well-known methods, each from the same bars up to the origin."""

from __future__ import annotations

import warnings
from importlib.util import find_spec
from statistics import NormalDist

import numpy as np

from btcql.scores import FOUR_YEARS
from ml.frame import DailyBars, Floats
from ml.returns import HORIZONS, PROBABILITIES, historical_quantiles, later_returns
from ml.scale import daily_returns

BASELINE = "four-year quantiles"
EWMA = "EWMA(.94) filtered simulation"
EWMA_RECENT = "EWMA(.94), shocks of four years"
ARIMA = "ARIMA(2,1,2)"
ARIMA_EXTRA = "btcql[backtest]"
_DECAY = 0.94  # RiskMetrics 1996, for daily returns
_PATHS = 10_000
_START_DAYS = 60
_NORMAL = np.array([NormalDist().inv_cdf(p) for p in PROBABILITIES])
_PERCENT = 100  # the optimiser wants numbers near one


def baseline(bars: DailyBars) -> Floats:
    """Return the quantiles of the last four years' returns: (horizons, probabilities)."""
    calendar, traded = bars.on_calendar()
    return historical_quantiles(later_returns(calendar.close, traded))


def ewma_simulation(bars: DailyBars, shock_days: int | None = None) -> Floats:
    """Return the quantiles of simulated returns: (horizons, probabilities).

    Filtered historical simulation (Barone-Adesi, Giannopoulos and Vosper 1999): each path draws from the
    past returns, each in units of its day's volatility, and its own volatility follows what it drew.
    `shock_days`: draw from so many of the newest only.
    The seed is the last day's number, so that an origin has its paths whatever is computed beside it.
    """
    calendar, _ = bars.on_calendar()
    returns = daily_returns(calendar.close)[1:]
    variances = np.empty(len(returns) + 1)
    variances[0] = np.mean(returns[:_START_DAYS] ** 2)
    for day, change in enumerate(returns.tolist()):
        variances[day + 1] = _DECAY * variances[day] + (1 - _DECAY) * change**2
    known = variances[:-1] > 0
    shocks = (returns[known] / np.sqrt(variances[:-1][known]))[_START_DAYS:][-(shock_days or 0) :]
    rng = np.random.default_rng(int(calendar.day[-1].astype(np.int64)))
    drawn = rng.choice(shocks, size=(len(HORIZONS), _PATHS))
    variance, total = np.full(_PATHS, variances[-1]), np.zeros(_PATHS)
    quantiles = np.empty((len(HORIZONS), len(PROBABILITIES)))
    for step, shock in enumerate(drawn):
        change = shock * np.sqrt(variance)
        total += change
        variance = _DECAY * variance + (1 - _DECAY) * change**2
        quantiles[step] = np.quantile(total, PROBABILITIES)
    return quantiles


def recent_ewma_simulation(bars: DailyBars) -> Floats:
    """Return `ewma_simulation` with the shocks of four years: harder to beat, for early ones were wilder."""
    return ewma_simulation(bars, FOUR_YEARS)


def has_arima() -> bool:
    """Whether statsmodels, which fits it, is installed."""
    return find_spec("statsmodels") is not None


def arima(bars: DailyBars) -> Floats:
    """Return the normal quantiles of an ARIMA(2,1,2) of four years' log prices: (horizons, probabilities).

    Raises ImportError without statsmodels. An estimation that ends without convergence is taken as it is.
    """
    from statsmodels.tsa.arima import model  # noqa: PLC0415 - an extra, and slow to import

    calendar, _ = bars.on_calendar()
    prices = _PERCENT * np.log(calendar.close[-FOUR_YEARS - 1 :])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # A start that is not stationary is replaced by zeros, with a warning.
        fitted = model.ARIMA(prices - prices[-1], order=(2, 1, 2)).fit(method="innovations_mle")
    ahead = fitted.get_forecast(len(HORIZONS))
    mean, deviation = ahead.predicted_mean / _PERCENT, np.sqrt(ahead.var_pred_mean) / _PERCENT
    quantiles: Floats = mean[:, None] + deviation[:, None] * _NORMAL
    return quantiles
