"""What is learned from a past: a shape and a width for the distribution of later returns."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist
from typing import Self

import numpy as np
import numpy.typing as npt
import xgboost

from ml import model, scale
from ml.frame import Floats
from ml.history import History
from ml.returns import HORIZONS, MEDIAN, PROBABILITIES, historical_quantiles

MODEL_SHARE = 0.5
MEDIAN_SHARE = 0.5
# Keeps tied quantiles apart, in standard deviations at each unit of a normal quantile: too little to see.
SEPARATION = 1e-3
_STEPS_BETWEEN_HORIZONS = 5
_NORMAL = np.array([NormalDist().inv_cdf(p) for p in PROBABILITIES])

Rows = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class Learned:
    """What is known after learning, and enough to forecast from any day.

    weights: of the expected variance, (horizons, regressors); start, plain: the historical quantiles of
    scaled and of plain returns, (horizons, probabilities); trees: what bends the former.
    """

    weights: Floats
    start: Floats
    plain: Floats
    trees: xgboost.Booster

    @classmethod
    def from_past(cls, past: History, threads: int = 1) -> Self:
        """Learn from every return that is known on the past's last day.

        Raises ForecastError where a horizon has fewer than 200 of the last four years.
        """
        fitted = past.moved.copy()
        fitted[: scale.WARM_UP] = False
        weights = scale.regress(past.design, past.variances, fitted)
        every = np.arange(len(past))
        deviation = _deviations(past, weights, every)
        scaled = np.divide(
            past.returns, deviation, out=np.full_like(past.returns, np.nan), where=past.moved[:, None]
        )
        start = historical_quantiles(scaled)
        day, horizon = _training_pairs(past, scaled)
        trees = model.fit(
            _inputs(past, weights, day, horizon), scaled[day, horizon], start[horizon], threads=threads
        )
        return cls(weights, start, historical_quantiles(past.returns), trees)

    def offsets(self, past: History, rows: Rows, threads: int = 1) -> tuple[Floats, Floats]:
        """Return the medians of the log returns after some days, and the quantiles' distances from them.

        The shapes are (rows, horizons) and (rows, horizons, probabilities); the distances ascend.
        Half the trees' and half the plain history's, for both err in other ways; of the median only a half,
        for the past trend is no promise.
        """
        horizons = len(HORIZONS)
        day, horizon = np.repeat(rows, horizons), np.tile(np.arange(horizons), len(rows))
        bent = model.predict(
            self.trees, _inputs(past, self.weights, day, horizon), self.start[horizon], threads=threads
        )
        bent = (bent + SEPARATION * _NORMAL).reshape(len(rows), horizons, -1)
        deviation = _deviations(past, self.weights, rows)
        blend: Floats = MODEL_SHARE * bent * deviation[:, :, None] + (1 - MODEL_SHARE) * self.plain
        median: Floats = blend[:, :, MEDIAN]
        return (1 - MEDIAN_SHARE) * median, blend - median[:, :, None]


def _deviations(past: History, weights: Floats, rows: Rows) -> Floats:
    """Return the expected standard deviation of the returns to each horizon: (rows, horizons)."""
    expected = scale.expected_log_variances(past.design[rows], weights)
    # the geometric mean of the slow and the expected volatility
    deviation: Floats = past.slow[rows, None] * np.exp(0.25 * expected) * np.sqrt(HORIZONS)
    return deviation


def _inputs(past: History, weights: Floats, day: Rows, horizon: Rows) -> Floats:
    """Return the features of pairs of a day and a horizon, of shape (pairs, features)."""
    design = past.design[day, horizon]
    expected = (design * weights[horizon]).sum(axis=1)
    steps, share = np.array(HORIZONS, dtype=np.float64)[horizon], design[:, -1]
    return np.concatenate((past.features[day], np.stack((steps, share, expected), axis=1)), axis=1)


def _training_pairs(past: History, targets: Floats) -> tuple[Rows, Rows]:
    """Return the rows and the columns of `targets` (n, horizons) to learn from.

    Three horizons of each day, one in each third of the range, in turn by the calendar: all fifteen overlap
    so much that they would add time and no knowledge.
    """
    turn = past.day % _STEPS_BETWEEN_HORIZONS
    chosen = (np.arange(len(HORIZONS)) % _STEPS_BETWEEN_HORIZONS)[None, :] == turn[:, None]
    chosen[: scale.WARM_UP] = False
    day, horizon = np.nonzero(chosen & ~np.isnan(targets))
    return day, horizon
