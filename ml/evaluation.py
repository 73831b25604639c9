"""How forecasts did against what came: losses of log returns, so that every price level counts the same.

Shapes: quantiles (n, horizons, probabilities), what came (n, horizons), NaN where nothing did.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from btcql.scores import pinball_loss
from ml.backtest import Outcomes
from ml.frame import Floats
from ml.returns import MEDIAN, PROBABILITIES
from ml.rivals import BASELINE

BLOCK_DAYS = 60  # of the bootstrap: four times the longest horizon
_RESAMPLES = 2000
_SEED = 20091031
_INTERVAL = (0.025, 0.975)
LEVELS = {80: (0.1, 0.9), 95: (0.025, 0.975)}


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One method's record, pooled or of one horizon.

    pinball: mean loss; pinball_ratio: to the baseline's, with the 95 % interval of a block bootstrap over
    the origins; winkler: mean interval score by level (Gneiting and Raftery 2007); coverage: share held, by
    level; pit_deviation: the largest distance of a quantile's share below it from its probability;
    relative_mae: of the median, to that of the last price.
    """

    pinball: float
    pinball_ratio: float
    interval: tuple[float, float]
    winkler: dict[int, float]
    coverage: dict[int, float]
    pit_deviation: float
    relative_mae: float


def evaluate(outcomes: Outcomes, method: str, every: int, horizon: int | None = None) -> Evaluation:
    """Return the record of a method at one horizon, at all of them if it is None; `every`: origins' days."""
    here = slice(None) if horizon is None else slice(horizon - 1, horizon)
    came = outcomes.came[:, here]
    quantiles = outcomes.quantiles[method][:, here]
    loss, against = (_losses(outcomes.quantiles[name][:, here], came) for name in (method, BASELINE))
    known = ~np.isnan(came)
    below = reliability(quantiles, came)
    return Evaluation(
        pinball=float(np.nanmean(loss)),
        pinball_ratio=float(np.nansum(loss) / np.nansum(against)),
        interval=_ratio_interval(loss, against, max(1, round(BLOCK_DAYS / every))),
        winkler={level: _winkler(quantiles, came, level) for level in LEVELS},
        coverage={level: float(held(quantiles, came, level)[known].mean()) for level in LEVELS},
        pit_deviation=float(np.abs(below - PROBABILITIES).max()),
        relative_mae=float(np.nansum(np.abs(came - quantiles[:, :, MEDIAN])) / np.nansum(np.abs(came))),
    )


def reliability(quantiles: Floats, came: Floats) -> Floats:
    """Return how often what came was not above each quantile: (probabilities,)."""
    known = ~np.isnan(came)
    share: Floats = (came[:, :, None] <= quantiles)[known].mean(axis=0)
    return share


def held(quantiles: Floats, came: Floats, level: int) -> Floats:
    """Return 1 where the band of a level held what came, 0 where not: (n, horizons)."""
    lower, upper = _band(quantiles, level)
    return ((lower <= came) & (came <= upper)).astype(np.float64)


def loss_ratio(outcomes: Outcomes, method: str, other: str) -> float:
    """Return a method's pooled pinball loss over another's."""
    own, others = (_losses(outcomes.quantiles[name], outcomes.came) for name in (method, other))
    return float(np.nansum(own) / np.nansum(others))


def _losses(quantiles: Floats, came: Floats) -> Floats:
    """Return the pinball loss, the mean over the probabilities: (n, horizons)."""
    loss: Floats = pinball_loss(quantiles, np.array(PROBABILITIES), came[:, :, None]).mean(axis=2)
    return loss


def _band(quantiles: Floats, level: int) -> tuple[Floats, Floats]:
    lower, upper = (PROBABILITIES.index(p) for p in LEVELS[level])
    return quantiles[:, :, lower], quantiles[:, :, upper]


def _winkler(quantiles: Floats, came: Floats, level: int) -> float:
    lower, upper = _band(quantiles, level)
    missed = np.maximum(lower - came, 0.0) + np.maximum(came - upper, 0.0)
    return float(np.nanmean(upper - lower + missed * 2 / (1 - level / 100)))


def _ratio_interval(loss: Floats, against: Floats, block: int) -> tuple[float, float]:
    """Return the interval of the ratio of the sums, blocks of successive origins drawn in a circle."""
    own, others = np.nansum(loss, axis=1), np.nansum(against, axis=1)
    count = len(own)
    rng = np.random.default_rng(_SEED)
    starts = rng.integers(0, count, size=(_RESAMPLES, -(-count // block)))
    drawn = ((starts[:, :, None] + np.arange(block)) % count).reshape(_RESAMPLES, -1)[:, :count]
    low, high = np.quantile(own[drawn].sum(axis=1) / others[drawn].sum(axis=1), _INTERVAL)
    return float(low), float(high)
