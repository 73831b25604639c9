"""The days of the week: bitcoin trades on all of them, and moves less on two."""

from __future__ import annotations

import numpy as np

from ml.frame import DailyBars, Floats
from ml.returns import HORIZONS

_WEEKEND = 5  # Saturday, counted from Monday


def weekdays(bars: DailyBars) -> Floats:
    """Return each day's day of the week, of shape (n,), 0 for Monday."""
    number = bars.day.astype("datetime64[D]").astype(np.int64)
    return ((number + 3) % 7).astype(np.float64)  # 1970-01-01 was a Thursday


def weekend_share(bars: DailyBars) -> Floats:
    """Return the share of Saturdays and Sundays in the next h days, of shape (n, horizons)."""
    steps = np.array(HORIZONS)
    weekend = (weekdays(bars)[:, None] + steps) % 7 >= _WEEKEND
    share: Floats = np.cumsum(weekend, axis=1) / steps
    return share
