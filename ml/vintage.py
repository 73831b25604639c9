"""One forecast from one market's closed daily bars: pure, and the same bytes for the same bars."""

from __future__ import annotations

import platform
from datetime import date, timedelta

import numpy as np
import xgboost

from btcql.errors import ForecastError
from btcql.scores import FOUR_YEARS
from btcql.vintages import ForecastPoint, ModelCard, Vintage
from ml import features, learned, model, scale
from ml.frame import DailyBars, Floats
from ml.history import History
from ml.learned import Learned
from ml.returns import HORIZONS, PROBABILITIES, historical_quantiles, later_returns

FEWEST_DAYS = 400
FEWEST_MOVED = 200  # days that followed a movement, for the regressions of the volatility
LONGEST_GAP = 30  # days without a bar; what was before a longer one is another market
RECENT_DAYS = 66
FEWEST_RECENT = 0.75  # of the recent days: with fewer bars the volatility of now is a guess
# The least by which a band is wider than the one of the day before, on each side of the median.
WIDENING = 1.005


def issue(bars: DailyBars, based_on: date, *, threads: int = 1) -> Vintage:
    """Return the forecast of the 15 days after `based_on`, from the bars up to and including it.

    Later bars are cut off first. The same bars give the same bytes, whatever `threads`.
    Raises ForecastError as `usable_bars` does, and where a band leaves the range of a float.
    """
    used = usable_bars(bars, based_on)
    last_close = float(used.close[-1])
    with np.errstate(over="ignore", under="ignore"):
        prices = last_close * np.exp(log_returns(used, threads=threads))
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
    recent = int((used.day > used.day[-1] - np.timedelta64(RECENT_DAYS, "D")).sum())
    if recent < FEWEST_RECENT * RECENT_DAYS:
        raise ForecastError(f"only {recent} of the {RECENT_DAYS} days through {based_on} have a bar")
    calendar, traded = used.on_calendar()
    moved = scale.slow_volatility(calendar.close) >= scale.SMALLEST_VOLATILITY
    if not moved[-1] or moved[scale.WARM_UP : -max(HORIZONS)].sum() < FEWEST_MOVED:
        raise ForecastError(
            f"the price hardly moved in the days through {based_on}: there is nothing to learn from"
        )
    historical_quantiles(np.where(moved[:, None], later_returns(calendar.close, traded), np.nan))
    return used


def log_returns(used: DailyBars, *, threads: int = 1) -> Floats:
    """Return the quantiles of the log returns after the last of `usable_bars`: (horizons, probabilities).

    They are ascending, and each horizon's are further from its median than those of the one before.
    """
    past = History.of(used)
    median, offsets = Learned.from_past(past, threads).offsets(past, np.array([len(past) - 1]), threads)
    quantiles: Floats = median[0][:, None] + _widening(offsets[0])
    return quantiles


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
            "model_share": learned.MODEL_SHARE,
            "median_share": learned.MEDIAN_SHARE,
        },
        libraries={
            "numpy": np.__version__,
            "python": platform.python_version(),
            "xgboost": xgboost.__version__,
        },
    )
