"""Rolling origins: what would have been forecast on past days, each from the bars up to that day alone."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from btcql.errors import ForecastError
from ml import rivals, vintage
from ml.frame import DailyBars, Floats
from ml.returns import HORIZONS, later_returns

MODEL = "btcql"
_AT_ONCE = 4  # origins that a process takes at a time: few enough that all end together

Quantiles = dict[str, Floats]
_METHODS: dict[str, Callable[[DailyBars], Floats]] = {
    MODEL: vintage.log_returns,
    rivals.BASELINE: rivals.baseline,
    rivals.EWMA: rivals.ewma_simulation,
    rivals.EWMA_RECENT: rivals.recent_ewma_simulation,
    rivals.ARIMA: rivals.arima,
}
METHODS = (MODEL, rivals.BASELINE, rivals.EWMA, rivals.EWMA_RECENT)


@dataclass(frozen=True, slots=True, eq=False)
class Outcomes:
    """What was forecast on n days, and what came.

    day: the origins, ascending; close: their closes, (n,); came: log returns, (n, horizons), NaN where a day
    has no bar; quantiles: by method, those forecast, (n, horizons, probabilities); refused: the origins from
    which the model makes no forecast, with the reason.
    """

    day: list[date]
    close: Floats
    came: Floats
    quantiles: Quantiles
    refused: dict[date, str]


def last_origin(bars: DailyBars) -> date:
    """Return the newest day of which all forecasts have an outcome."""
    newest: date = bars.day[-1].item() - timedelta(days=max(HORIZONS))
    return newest


def origins(bars: DailyBars, first: date, last: date, every: int) -> list[date]:
    """Return each `every`-th day from `first` to `last` that has a bar.

    Raises ForecastError if there is none, or some forecast of the last one has no outcome yet.
    """
    newest = last_origin(bars)
    if last > newest:
        raise ForecastError(f"not all of the {max(HORIZONS)} days after {last} are closed: end with {newest}")
    days = range(0, (last - first).days + 1, every)
    known = set(bars.day.tolist())
    found = [day for day in (first + timedelta(days=step) for step in days) if day in known]
    if not found:
        raise ForecastError(f"no day from {first} to {last} has a bar")
    return found


def forecast(bars: DailyBars, origin: date, methods: Sequence[str] = METHODS) -> Quantiles:
    """Return each method's quantiles of the log returns after `origin`, (horizons, probabilities).

    Later bars are cut off first. Raises ForecastError as `usable_bars` does.
    """
    used = vintage.usable_bars(bars, origin)
    return {name: _METHODS[name](used) for name in methods}


def run(
    bars: DailyBars,
    days: Sequence[date],
    processes: int,
    progress: Callable[[int], None] = lambda _: None,
    methods: Sequence[str] = METHODS,
) -> Outcomes:
    """Return what each origin's forecasts were; the same whatever the number of `processes`.

    `progress` is told how many more are done; `methods` are of METHODS, or rivals.ARIMA, which is an extra.
    Raises ForecastError where no origin allows a forecast.
    """
    found: dict[date, Quantiles | str] = {}
    batches = [list(days[start : start + _AT_ONCE]) for start in range(0, len(days), _AT_ONCE)]
    if processes == 1:
        for batch in batches:
            found |= _forecast_all(bars, batch, methods)
            progress(len(batch))
    else:
        # A fork would copy the threads' locks of XGBoost and BLAS, but not their threads.
        spawned = multiprocessing.get_context("spawn")
        quiet = (signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that waits for them
        with ProcessPoolExecutor(processes, spawned, signal.signal, quiet) as pool:
            try:
                given = [pool.submit(_forecast_all, bars, batch, methods) for batch in batches]
                for done in as_completed(given):
                    found |= done.result()
                    progress(len(done.result()))
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
    return _collect(bars, found)


def _forecast_all(
    bars: DailyBars, days: Sequence[date], methods: Sequence[str]
) -> dict[date, Quantiles | str]:
    found: dict[date, Quantiles | str] = {}
    for day in days:
        try:
            found[day] = forecast(bars, day, methods)
        except ForecastError as error:
            found[day] = str(error)
    return found


def _collect(bars: DailyBars, found: dict[date, Quantiles | str]) -> Outcomes:
    refused = {day: why for day, why in sorted(found.items()) if isinstance(why, str)}
    made = {day: own for day, own in sorted(found.items()) if not isinstance(own, str)}
    if not made:
        raise ForecastError(
            f"none of {len(refused)} origins allows a forecast: {next(iter(refused.values()))}"
        )
    calendar, traded = bars.on_calendar()
    rows = np.searchsorted(calendar.day, np.array(list(made), dtype="datetime64[D]"))
    methods = next(iter(made.values()))
    return Outcomes(
        day=list(made),
        close=calendar.close[rows],
        came=later_returns(calendar.close, traded)[rows],
        quantiles={name: np.stack([own[name] for own in made.values()]) for name in methods},
        refused=refused,
    )
