"""Made-up markets for the tests: seeded, with clusters of volatility and no trend."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import numpy as np

from ml.frame import DailyBars, Floats

FIRST_DAY = date(2015, 1, 1)
COLUMNS = ("open", "high", "low", "close", "volume")


def made_bars(days: int, *, seed: int = 7, price: float = 1000.0) -> DailyBars:
    """Bars of a stochastic-volatility random walk (about 3.5 % a day), consecutive from FIRST_DAY."""
    rng = np.random.default_rng(seed)
    log_volatility = np.zeros(days)
    for row in range(1, days):
        log_volatility[row] = 0.95 * log_volatility[row - 1] + 0.2 * rng.standard_normal()
    volatility = 0.035 * np.exp(log_volatility)
    close = price * np.exp(np.cumsum(volatility * rng.standard_t(5, days) / np.sqrt(5 / 3)))
    return bars_around(close, reach=np.abs(rng.normal(0, volatility / 2)), volume=rng.lognormal(6, 0.5, days))


def bars_around(close: Floats, *, reach: Floats | float = 0.0, volume: Floats | float = 1.0) -> DailyBars:
    """Bars that open at the last close, and whose wicks reach so far (in logarithm) beyond the body."""
    opened = np.concatenate((close[:1], close[:-1]))
    return DailyBars(
        day=np.datetime64(FIRST_DAY) + np.arange(len(close)),
        open=opened,
        high=np.maximum(opened, close) * np.exp(reach),
        low=np.minimum(opened, close) * np.exp(-np.asarray(reach)),
        close=close,
        volume=np.broadcast_to(volume, close.shape),
    )


def with_rows(bars: DailyBars, rows: object) -> DailyBars:
    """The bars of some rows only: a market with gaps."""
    return DailyBars(*(getattr(bars, name)[rows] for name in DailyBars.__dataclass_fields__))


def with_columns(bars: DailyBars, columns: Mapping[str, Floats]) -> DailyBars:
    """The bars with some columns replaced."""
    return DailyBars(bars.day, *(columns.get(name, getattr(bars, name)) for name in COLUMNS))


def last_day(bars: DailyBars) -> date:
    day: date = bars.day[-1].item()
    return day


def day_of(bars: DailyBars, row: int) -> date:
    day: date = bars.day[row].item()
    return day
