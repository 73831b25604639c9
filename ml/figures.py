"""The backtest's plots: what the bands promise and what they hold."""

from __future__ import annotations

from math import ceil, floor, log10

import numpy as np

from ml import plot, rivals
from ml.backtest import MODEL, Outcomes
from ml.evaluation import held, reliability
from ml.frame import DailyBars
from ml.returns import HORIZONS, MEDIAN, PROBABILITIES

_COLOURS = {
    MODEL: plot.BLUE,
    rivals.BASELINE: plot.GREY,
    rivals.EWMA: plot.ORANGE,
    rivals.EWMA_RECENT: plot.RED,
    rivals.ARIMA: plot.GREEN,
}
_SHARES = [(tick / 5, f"{tick / 5:.1f}") for tick in range(6)]
_BEFORE = 30  # days of prices in front of a fan
_BANDS = ((0, -1, "95 %", 0.25), (2, -3, "80 %", 0.44))  # the second lies on the first


def reliability_chart(outcomes: Outcomes) -> str:
    """Return how often what came was below each quantile, all horizons together, by method."""
    chart = plot.Chart("Reliability", (0, 1), (0, 1), ("probability forecast", "share that came below"))
    chart.axes(_SHARES, _SHARES)
    chart.line((0, 1), (0, 1), plot.GREY, "as promised", dashed=True)
    for name, quantiles in reversed(outcomes.quantiles.items()):
        share = reliability(quantiles, outcomes.came).tolist()
        chart.line(PROBABILITIES, share, _COLOURS[name])
        chart.dots(PROBABILITIES, share, _COLOURS[name], name)
    return chart.text()


def coverage_chart(outcomes: Outcomes) -> str:
    """Return how often the bands held what came, by the origin's year."""
    years = np.array([day.year for day in outcomes.day])
    known = ~np.isnan(outcomes.came)
    names = sorted(set(years.tolist()))
    chart = plot.Chart(
        "Coverage by year",
        (names[0] - 0.5, names[-1] + 0.5),
        (0.5, 1),
        ("year", "share that the band held"),
        legend_at=0.2,
    )
    chart.axes(
        [(year, str(year)) for year in names], [(tick / 10, f"{tick / 10:.1f}") for tick in range(5, 11)]
    )
    for level, colour in ((95, plot.GREEN), (80, plot.BLUE)):
        inside = held(outcomes.quantiles[MODEL], outcomes.came, level)
        shares = [float(inside[years == year][known[years == year]].mean()) for year in names]
        chart.line((names[0] - 0.5, names[-1] + 0.5), (level / 100,) * 2, colour, dashed=True)
        chart.line(names, [max(share, 0.5) for share in shares], colour)
        chart.dots(names, [max(share, 0.5) for share in shares], colour, f"{level} % band")
    return chart.text()


def fan_chart(bars: DailyBars, outcomes: Outcomes, at: int) -> str:
    """Return one forecast as it would have been issued, with the prices before and after it."""
    origin, close = outcomes.day[at], outcomes.close[at]
    offset = (bars.day - np.datetime64(origin, "D")).astype(np.int64)
    shown = (offset >= -_BEFORE) & (offset <= max(HORIZONS))
    prices = close * np.exp(outcomes.quantiles[MODEL][at])
    bottom = min(float(prices.min()), float(bars.close[shown].min()))
    top = max(float(prices.max()), float(bars.close[shown].max()))
    room = 0.05 * (top - bottom)
    chart = plot.Chart(
        f"Forecast based on {origin}",
        (-_BEFORE, max(HORIZONS)),
        (bottom - room, top + room),
        ("days from the origin", "price"),
    )
    chart.axes([(day, str(day)) for day in range(-_BEFORE, max(HORIZONS) + 1, 5)], _price_ticks(bottom, top))
    ahead = [0, *HORIZONS]
    for lower, upper, label, shade in _BANDS:
        low, high = ([close, *prices[:, place].tolist()] for place in (lower, upper))
        chart.band(ahead, low, high, plot.BLUE, label, shade)
    chart.line(ahead, [close, *prices[:, MEDIAN].tolist()], plot.BLUE, "median", dashed=True)
    chart.line(offset[shown].tolist(), bars.close[shown].tolist(), plot.RED, "price")
    return chart.text()


def _price_ticks(low: float, high: float) -> plot.Ticks:
    """Return about five round prices of the range."""
    rough = (high - low) / 5
    unit = 10.0 ** floor(log10(rough))
    step = next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= rough)
    ticks = range(ceil(low / step), floor(high / step) + 1)
    return [(tick * step, f"{tick * step:,.6g}") for tick in ticks]
