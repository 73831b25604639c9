"""How a price moved over its bars: pure numpy over columns."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from btcql import calendar
from database.columns import Ints
from database.readers.bars import Closes, SummedBars

_DAYS_A_YEAR = 365  # bitcoin trades on all of them


@dataclass(frozen=True)
class Summary:
    """The movement over at least one bar; high_bar and low_bar are the first bars that reached them."""

    open: float
    close: float
    high: float
    high_bar: int
    low: float
    low_bar: int
    average: float
    volume: float

    @property
    def change(self) -> float:
        """Close less open."""
        return self.close - self.open

    @property
    def change_percent(self) -> float:
        """The change in percent of the open."""
        return 100 * self.change / self.open


def summarise(bars: SummedBars) -> Summary | None:
    """Return the movement over `bars`; None if there are none.

    `average` is the mean of the base bars' closes, each weighed by its length: a day from minutes and a
    day that was loaded as one daily bar count the same.
    """
    if not len(bars.start):
        return None
    high_bar, low_bar = int(bars.high.argmax()), int(bars.low.argmin())
    return Summary(
        open=float(bars.open[0]),
        close=float(bars.close[-1]),
        high=float(bars.high[high_bar]),
        high_bar=high_bar,
        low=float(bars.low[low_bar]),
        low_bar=low_bar,
        average=float((bars.close_sum * bars.minutes).sum() / (bars.observed * bars.minutes).sum()),
        volume=float(bars.volume.sum()),
    )


def volatility(days: Closes | SummedBars) -> float | None:
    """Return the sample standard deviation of daily log returns, annualised by sqrt(365).

    Only days that follow each other make a return; None with fewer than two returns.
    """
    numbers: Ints = days.start // calendar.DAY
    returns = np.diff(np.log(days.close))[np.diff(numbers) == 1]
    if len(returns) < 2:  # noqa: PLR2004 - one return has no spread
        return None
    return float(returns.std(ddof=1)) * math.sqrt(_DAYS_A_YEAR)
