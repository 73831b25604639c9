"""One forecast from one market's closed daily bars: pure, and the same bytes for the same bars."""

from __future__ import annotations

import platform
from datetime import date, timedelta
from statistics import NormalDist

import numpy as np
import numpy.typing as npt
import xgboost

from btcql.errors import ForecastError
from btcql.vintages import ForecastPoint, ModelCard, Vintage
from ml import features, model, scale
from ml.frame import DailyBars, Flags, Floats
from ml.returns import FOUR_YEARS, HORIZONS, MEDIAN, PROBABILITIES, historical_quantiles, later_returns

FEWEST_DAYS = 400
FEWEST_MOVED = 200  # days that followed a movement, for the regressions of the volatility
LONGEST_GAP = 30  # days without a bar; what was before a longer one is another market
FEWEST_RECENT = 0.75  # of the last 66 days: with fewer bars the volatility of now is a guess
MODEL_SHARE = 0.5
MEDIAN_SHARE = 0.5
# Keeps tied quantiles apart, in standard deviations at each unit of a normal quantile: too little to see.
SEPARATION = 1e-3
# The least by which a band is wider than the one of the day before, on each side of the median.
WIDENING = 1.005
_STEPS_BETWEEN_HORIZONS = 5

Rows = npt.NDArray[np.intp]


def issue(bars: DailyBars, based_on: date, *, threads: int = 1) -> Vintage:
    """Return the forecast of the 15 days after `based_on`, from the bars up to and including it.

    Later bars are cut off first. The same bars give the same bytes, whatever `threads`.
    Raises ForecastError as `usable_bars` does, and where a band leaves the range of a float.
    """
    used = usable_bars(bars, based_on)
    calendar, traded = used.on_calendar()
    quantiles = _quantiles(calendar, traded, threads)
    last_close = float(calendar.close[-1])
    with np.errstate(over="ignore", under="ignore"):
        prices = last_close * np.exp(quantiles)
    if not (np.isfinite(prices).all() and (prices[:, 0] > 0).all() and (np.diff(prices, axis=1) > 0).all()):
        raise ForecastError(f"the bars through {based_on} are too wild: the bands leave the range of a price")
    return Vintage(
        based_on=based_on,
        last_close=last_close,
        probabilities=PROBABILITIES,
        points=tuple(
            ForecastPoint(horizon, based_on + timedelta(days=horizon), tuple(row))
            for horizon, row in zip(HORIZONS, prices.tolist(), strict=True)
        ),
        model=_card(used, based_on),
    )


def usable_bars(bars: DailyBars, based_on: date) -> DailyBars:
    """Return the bars that a forecast based on `based_on` learns from, whose hash tells it from another.

    Raises ForecastError when there is no bar for `based_on`, fewer than 400 since the last long gap, too few
    of the recent days, too little movement, or too few returns over some horizon.
    """
    bars = bars.through(based_on)
    if not len(bars) or bars.day[-1] != np.datetime64(based_on, "D"):
        raise ForecastError(f"there is no closed bar for {based_on}, the day to base the forecast on")
    used = bars.since_gap(LONGEST_GAP)
    if len(used) < FEWEST_DAYS:
        gap = (
            f" since a gap of over {LONGEST_GAP} days that ended on {used.day[0]}"
            if len(used) < len(bars)
            else ""
        )
        raise ForecastError(
            f"only {len(used)} closed days through {based_on}{gap}; a forecast needs at least {FEWEST_DAYS}"
        )
    window = max(scale.WINDOWS)
    recent = int((used.day > used.day[-1] - np.timedelta64(window, "D")).sum())
    if recent < FEWEST_RECENT * window:
        raise ForecastError(f"only {recent} of the {window} days through {based_on} have a bar")
    calendar, traded = used.on_calendar()
    moved = scale.slow_volatility(calendar.close) >= scale.SMALLEST_VOLATILITY
    if not moved[-1] or moved[scale.WARM_UP : -max(HORIZONS)].sum() < FEWEST_MOVED:
        raise ForecastError(
            f"the price hardly moved in the days through {based_on}: there is nothing to learn from"
        )
    historical_quantiles(np.where(moved[:, None], later_returns(calendar.close, traded), np.nan))
    return used


def _quantiles(bars: DailyBars, traded: Flags, threads: int) -> Floats:
    """Return the quantiles, ascending, of the log returns after the last day: (horizons, probabilities).

    Half the trees' and half the plain history's, for both err in other ways; of the median only a half, for
    the past trend is no promise.
    """
    slow = scale.slow_volatility(bars.close)
    deviation = scale.horizon_volatility(bars, slow) * np.sqrt(HORIZONS)
    returns = later_returns(bars.close, traded)
    moved = slow >= scale.SMALLEST_VOLATILITY
    scaled = np.divide(returns, deviation, out=np.full_like(returns, np.nan), where=moved[:, None])
    day, horizon = _training_pairs(bars, scaled)
    start = historical_quantiles(scaled)
    inputs = _join(features.day_features(bars, slow), features.horizon_features(bars))
    trees = model.fit(inputs[day, horizon], scaled[day, horizon], start[horizon], threads=threads)
    bent = model.predict(trees, inputs[-1], start, threads=threads)
    bent += SEPARATION * np.array([NormalDist().inv_cdf(p) for p in PROBABILITIES])
    history = historical_quantiles(returns)
    blend: Floats = MODEL_SHARE * bent * deviation[-1][:, None] + (1 - MODEL_SHARE) * history
    median: Floats = blend[:, MEDIAN : MEDIAN + 1]
    return (1 - MEDIAN_SHARE) * median + _widening(blend - median)


def _training_pairs(bars: DailyBars, targets: Floats) -> tuple[Rows, Rows]:
    """Return the rows and the columns of `targets` (n, horizons) to learn from.

    Three horizons of each day, one in each third of the range, in turn by the calendar: all fifteen overlap
    so much that they would add time and no knowledge.
    """
    turn = bars.day.astype("datetime64[D]").astype(np.int64) % _STEPS_BETWEEN_HORIZONS
    chosen = (np.arange(len(HORIZONS)) % _STEPS_BETWEEN_HORIZONS)[None, :] == turn[:, None]
    chosen[: scale.WARM_UP] = False
    day, horizon = np.nonzero(chosen & ~np.isnan(targets))
    return day, horizon


def _join(by_day: Floats, by_horizon: Floats) -> Floats:
    """Return the features of every day and horizon, of shape (n, horizons, features)."""
    repeated = np.broadcast_to(by_day[:, None, :], (*by_horizon.shape[:2], by_day.shape[1]))
    return np.concatenate((repeated, by_horizon), axis=2)


def _widening(offsets: Floats) -> Floats:
    """Return the offsets from the median (horizons, probabilities), none nearer than the day before's."""
    wide = offsets.copy()
    for row in range(1, len(wide)):
        before = wide[row - 1] * WIDENING
        wide[row] = np.where(before < 0, np.minimum(wide[row], before), np.maximum(wide[row], before))
    return wide


def _card(bars: DailyBars, based_on: date) -> ModelCard:
    return ModelCard(
        name=model.NAME,
        version=model.VERSION,
        trained_from=bars.day[0].item(),
        trained_through=based_on,
        data_hash=bars.data_hash(),
        parameters={
            **model.PARAMETERS,
            "rounds": model.ROUNDS,
            "features": list(features.NAMES),
            "history_days": FOUR_YEARS,
            "model_share": MODEL_SHARE,
            "median_share": MEDIAN_SHARE,
        },
        libraries={
            "numpy": np.__version__,
            "python": platform.python_version(),
            "xgboost": xgboost.__version__,
        },
    )
