"""The backtest's report: Markdown with its plots, file by file as text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np

from btcql.vintages import STATEMENT, BacktestRecord
from ml import model, rivals
from ml.backtest import MODEL, Outcomes
from ml.evaluation import BLOCK_DAYS, Evaluation, evaluate, loss_ratio
from ml.figures import coverage_chart, fan_chart, reliability_chart
from ml.frame import DailyBars
from ml.returns import HORIZONS

NAME = "README.md"
_EXAMPLES = 3
_YEAR = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class Backtest:
    """What a report tells of: a market's outcomes at origins every so many days, and the bars behind them."""

    symbol: str
    bars: DailyBars
    every: int
    outcomes: Outcomes


def write(backtest: Backtest) -> dict[str, str]:
    """Return the report's files by name; links between them are relative."""
    outcomes = backtest.outcomes
    fans = _examples(outcomes)
    charts = {
        "reliability.svg": reliability_chart(outcomes),
        "coverage.svg": coverage_chart(outcomes),
        **{f"fan-{n}.svg": fan_chart(backtest.bars, outcomes, at) for n, at in enumerate(fans, 1)},
    }
    parts = [
        *_summary(backtest),
        *_parts_in_time(backtest),
        "## By horizon\n",
        *_table("days", [(str(h), evaluate(outcomes, MODEL, backtest.every, h)) for h in HORIZONS]),
        "## By year of the origin\n",
        *_table("year", [(str(y), evaluate(own, MODEL, backtest.every)) for y, own in _by_year(outcomes)]),
        "## Plots\n",
        *(f"![{name.removesuffix('.svg')}]({name})\n" for name in charts),
        *_method(backtest),
    ]
    return {NAME: "\n".join(parts), **charts}


def record(backtest: Backtest) -> BacktestRecord:
    """Return what is kept of a backtest beside the model's forecasts."""
    outcomes = backtest.outcomes
    pooled = evaluate(outcomes, MODEL, backtest.every)
    since = outcomes.day[-1] - _YEAR
    year = evaluate(_only(outcomes, np.array([day > since for day in outcomes.day])), MODEL, backtest.every)
    return BacktestRecord(
        name=model.NAME,
        version=model.VERSION,
        data_hash=backtest.bars.data_hash(),
        first_origin=outcomes.day[0],
        last_origin=outcomes.day[-1],
        origins=len(outcomes.day),
        pinball_ratio=pooled.pinball_ratio,
        relative_mae=pooled.relative_mae,
        coverage80=pooled.coverage[80],
        coverage95=pooled.coverage[95],
        year_coverage80=year.coverage[80],
        year_coverage95=year.coverage[95],
    )


def _summary(backtest: Backtest) -> Iterable[str]:
    outcomes, used = backtest.outcomes, backtest.bars
    yield f"# How the forecast of {backtest.symbol} would have done\n"
    yield (
        f"{len(outcomes.day)} origins, every {backtest.every} days from {outcomes.day[0]} to "
        f"{outcomes.day[-1]}; {max(HORIZONS)} days ahead. Each forecast was made from the days up to its "
        f"origin alone, by {model.NAME} version {model.VERSION}, trained anew.\n"
    )
    yield f"**{STATEMENT}**\n"
    if outcomes.refused:
        day, why = next(iter(outcomes.refused.items()))
        yield f"From {len(outcomes.refused)} more origins none could be made, the first {day}: {why}\n"
    yield "## All horizons together\n"
    methods = [(name, evaluate(outcomes, name, backtest.every)) for name in outcomes.quantiles]
    yield from _table("method", methods)
    others = [name for name in outcomes.quantiles if name not in {MODEL, rivals.BASELINE}]
    against = (f"{loss_ratio(outcomes, MODEL, name):.4f} of that of {name}" for name in others)
    yield f"The pinball loss of {MODEL} is {'; '.join(against)}.\n"
    if rivals.ARIMA not in outcomes.quantiles:
        yield f"{rivals.ARIMA} was left out: it needs `pip install '{rivals.ARIMA_EXTRA}'`.\n"
    yield f"Data: {len(used)} days, {used.day[0]} to {used.day[-1]}, sha256 `{used.data_hash()}`.\n"


def _parts_in_time(backtest: Backtest) -> Iterable[str]:
    """Tell apart the days on which the design was chosen: a method fits those by its choice."""
    # an origin whose last outcome is later than the cut saw some of it
    seen = np.array(
        [day + timedelta(days=max(HORIZONS)) <= model.CHOSEN_THROUGH for day in backtest.outcomes.day]
    )
    if seen.all() or not seen.any():
        return
    yield f"## Before and after {model.CHOSEN_THROUGH}\n"
    yield "The design was chosen on the first of the two; nothing was on the second.\n"
    parts = (("before", seen), ("after", ~seen))
    yield from _table(
        "part",
        [(name, evaluate(_only(backtest.outcomes, rows), MODEL, backtest.every)) for name, rows in parts],
    )


def _method(backtest: Backtest) -> Iterable[str]:
    yield "## What the figures are\n"
    yield (
        "All are of log returns. *Pinball*: the mean loss over the 13 levels, times 1,000. *Ratio*: to that "
        f"of the {rivals.BASELINE}, the plain quantiles of the returns over as many days of the last four "
        f"years, with the 95 % interval of a bootstrap of blocks of {BLOCK_DAYS} days. *Winkler*: the mean "
        "interval score of the 80 % and the 95 % band, times 1,000. *Held*: how often the band held what "
        "came. *PIT*: the largest distance of a quantile's share below it from its level. *MAE*: of the "
        "median, to that of the last price.\n"
    )
    yield (
        f"{rivals.EWMA}: 10,000 paths an origin, shocks of all days up to it. {rivals.ARIMA}: of four years "
        "of log prices, normal quantiles.\n"
    )
    yield (
        f"Made by `btcql backtest --symbol {backtest.symbol} --from {backtest.outcomes.day[0]} "
        f"--to {backtest.outcomes.day[-1]} --every {backtest.every}`: the same bars and libraries give the "
        "same bytes.\n"
    )


def _table(first: str, rows: Sequence[tuple[str, Evaluation]]) -> Iterable[str]:
    yield (
        f"| {first} | pinball | ratio | 95 % interval | Winkler 80 | Winkler 95 | held 80 % | held 95 % "
        "| PIT | MAE |"
    )
    yield "|---|" + "---:|" * 9
    for name, own in rows:
        low, high = own.interval
        yield (
            f"| {name} | {1000 * own.pinball:.3f} | {own.pinball_ratio:.4f} | {low:.3f} to {high:.3f} "
            f"| {1000 * own.winkler[80]:.1f} | {1000 * own.winkler[95]:.1f} "
            f"| {own.coverage[80]:.3f} | {own.coverage[95]:.3f} | {own.pit_deviation:.3f} "
            f"| {own.relative_mae:.4f} |"
        )
    yield ""


def _examples(outcomes: Outcomes) -> list[int]:
    """Return the places of the examples: not chosen by how they came out, but evenly over the time."""
    places = np.linspace(0, len(outcomes.day) - 1, _EXAMPLES + 2)[1:-1]
    return sorted({round(float(place)) for place in places})


def _by_year(outcomes: Outcomes) -> Iterable[tuple[int, Outcomes]]:
    years = np.array([day.year for day in outcomes.day])
    for year in sorted(set(years.tolist())):
        yield year, _only(outcomes, years == year)


def _only(outcomes: Outcomes, rows: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Outcomes:
    return replace(
        outcomes,
        day=[day for day, here in zip(outcomes.day, rows.tolist(), strict=True) if here],
        close=outcomes.close[rows],
        came=outcomes.came[rows],
        quantiles={name: own[rows] for name, own in outcomes.quantiles.items()},
    )
