"""How forecasts did against what came: pure numpy, on log returns, so that every price level counts the same.

The baseline is what needs no model: the quantiles of the returns over as many days, of the last four years.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]

FOUR_YEARS = 1461  # days
FEWEST_RETURNS = 200  # below which the past has no quantiles to speak of
_CLOSE_ENOUGH = 1e-9  # of two probabilities that are written alike


@dataclass(frozen=True)
class Quantiles:
    """n quantiles of past forecasts, in any order: arrays of shape (n,).

    `forecast` numbers the forecast in `Origins`; `horizon` is in days; `value` the log return that is not
    exceeded with `probability`.
    """

    forecast: Ints
    horizon: Ints
    probability: Floats
    value: Floats


@dataclass(frozen=True)
class Origins:
    """m forecasts: arrays of shape (m,), days since 1970.

    `day` is the last day that each used, `first` the first one, `last_close` the price that returns are of.
    """

    day: Ints
    first: Ints
    last_close: Floats


@dataclass(frozen=True)
class DailyCloses:
    """The closes of successive days from day number `first` (since 1970) on; NaN where there is no bar."""

    first: int
    close: Floats

    def at(self, day: Ints) -> Floats:
        """Return the closes of `day`, NaN outside."""
        place = day - self.first
        inside = (place >= 0) & (place < len(self.close))
        return np.where(inside, self.close[np.where(inside, place, 0)], np.nan)


@dataclass(frozen=True)
class Score:
    """One horizon's record over `matured` forecasts; None where nothing can be told."""

    horizon: int
    matured: int
    pinball_ratio: float | None
    relative_mae: float | None
    coverage80: float | None
    coverage95: float | None


def pinball_loss(quantile: Floats, probability: Floats, value: Floats) -> Floats:
    """Return the loss of forecasting `quantile` when `value` came (Koenker and Bassett, 1978)."""
    excess = value - quantile
    return np.maximum(probability * excess, (probability - 1) * excess)


def baseline(closes: DailyCloses, first: int, day: int, horizons: int, probabilities: Floats) -> Floats:
    """Return the quantiles of past log returns over 1, ..., `horizons` days: (horizons, probabilities).

    Of the four years that end with `day`, from `first` on if that is later; a horizon of which fewer than
    200 returns are known is NaN.
    """
    days = np.arange(min(day, max(first, day - FOUR_YEARS + 1)), day + 1)
    log_close = np.log(closes.at(days))
    returns = np.full((horizons, len(days)), np.nan)
    for horizon in range(1, min(horizons, len(days) - 1) + 1):
        returns[horizon - 1, :-horizon] = log_close[horizon:] - log_close[:-horizon]
    returns.sort(axis=1)  # the unknown ones last
    known = np.sum(~np.isnan(returns), axis=1)
    enough = known >= FEWEST_RETURNS
    place = np.where(enough, known - 1, 0)[:, None] * probabilities[None, :]
    below = np.floor(place).astype(np.int64)
    above = np.minimum(below + 1, len(days) - 1)
    low, high = (np.take_along_axis(returns, at, axis=1) for at in (below, above))
    quantiles: Floats = low + np.where(place > below, (high - low) * (place - below), 0.0)
    quantiles[~enough] = np.nan
    return quantiles


def score(quantiles: Quantiles, origins: Origins, closes: DailyCloses, horizons: int) -> list[Score]:
    """Return the record of each horizon 1, ..., `horizons`, of the forecasts whose day has a close."""
    came = np.log(
        closes.at(origins.day[quantiles.forecast] + quantiles.horizon)
        / origins.last_close[quantiles.forecast]
    )
    known = ~np.isnan(came)
    matured = Quantiles(
        quantiles.forecast[known],
        quantiles.horizon[known],
        quantiles.probability[known],
        quantiles.value[known],
    )
    came = came[known]
    expected = _baselines(matured, origins, closes, horizons)
    return [
        _score(horizon, _only(matured, here), came[here], expected[here])
        for horizon in range(1, horizons + 1)
        for here in [np.flatnonzero(matured.horizon == horizon)]
    ]


def _baselines(quantiles: Quantiles, origins: Origins, closes: DailyCloses, horizons: int) -> Floats:
    """Return the baseline's value for each of the quantiles."""
    probabilities, column = np.unique(quantiles.probability, return_inverse=True)
    table = np.full((len(origins.day), horizons, len(probabilities)), np.nan)
    known: dict[tuple[int, int], Floats] = {}
    for forecast in np.unique(quantiles.forecast).tolist():
        learned = int(origins.first[forecast]), int(origins.day[forecast])
        if learned not in known:
            known[learned] = baseline(closes, *learned, horizons, probabilities)
        table[forecast] = known[learned]
    values: Floats = table[quantiles.forecast, quantiles.horizon - 1, column]
    return values


def _score(horizon: int, quantiles: Quantiles, came: Floats, expected: Floats) -> Score:
    losses = pinball_loss(quantiles.value, quantiles.probability, came)
    against = pinball_loss(expected, quantiles.probability, came)
    comparable = ~np.isnan(against)
    median = np.abs(quantiles.probability - 0.5) < _CLOSE_ENOUGH
    error = np.abs(came - quantiles.value)[median]
    return Score(
        horizon=horizon,
        matured=len(np.unique(quantiles.forecast)),
        pinball_ratio=_ratio(losses[comparable].sum(), against[comparable].sum()),
        relative_mae=_ratio(error.sum(), np.abs(came[median]).sum()),
        coverage80=_coverage(quantiles, came, (0.1, 0.9)),
        coverage95=_coverage(quantiles, came, (0.025, 0.975)),
    )


def _coverage(quantiles: Quantiles, came: Floats, bounds: Sequence[float]) -> float | None:
    """Return how often what came was between two quantiles, the bounds included."""
    lower, upper = (np.flatnonzero(np.abs(quantiles.probability - p) < _CLOSE_ENOUGH) for p in bounds)
    below = dict(zip(quantiles.forecast[lower].tolist(), lower.tolist(), strict=True))
    inside = [
        quantiles.value[below[forecast]] <= came[at] <= quantiles.value[at]
        for forecast, at in zip(quantiles.forecast[upper].tolist(), upper.tolist(), strict=True)
        if forecast in below
    ]
    return float(np.mean(inside)) if inside else None


def _only(quantiles: Quantiles, here: Ints) -> Quantiles:
    return Quantiles(
        quantiles.forecast[here], quantiles.horizon[here], quantiles.probability[here], quantiles.value[here]
    )


def _ratio(of: float, to: float) -> float | None:
    return float(of / to) if to > 0 else None
