"""A market's past, as the model sees it from one day: nothing in it is of a later one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from ml import features, scale
from ml.frame import DailyBars, Flags, Floats
from ml.returns import HORIZONS, later_returns


@dataclass(frozen=True, slots=True, eq=False)
class History:
    """Consecutive days up to a last one, and what can be told of each: arrays of n rows.

    day: of shape (n,), counted from 1970; slow: the slow volatility, (n,); moved: where that is not next to
    zero, (n,); returns: log returns to the horizons, (n, horizons), NaN where they are not known on the last
    day; variances: log mean variances up to the horizons, likewise; design: the regressors of those, (n,
    horizons, regressors); features: those that do not differ by horizon, (n, features).
    """

    day: np.ndarray[tuple[int], np.dtype[np.int64]]
    slow: Floats
    moved: Flags
    returns: Floats
    variances: Floats
    design: Floats
    features: Floats

    @classmethod
    def of(cls, bars: DailyBars) -> Self:
        """Return the past on the last of the bars, which may have gaps."""
        calendar, traded = bars.on_calendar()
        slow = scale.slow_volatility(calendar.close)
        return cls(
            day=calendar.day.astype("datetime64[D]").astype(np.int64),
            slow=slow,
            moved=slow >= scale.SMALLEST_VOLATILITY,
            returns=later_returns(calendar.close, traded),
            variances=scale.later_log_variances(calendar, slow),
            design=scale.design(calendar, slow),
            features=features.day_features(calendar, slow),
        )

    def __len__(self) -> int:
        return len(self.day)

    def until(self, day: int) -> Self:
        """Return the past as it was on `day`, counted from 1970."""
        rows = int(np.searchsorted(self.day, day, side="right"))
        known = np.arange(rows)[:, None] + np.array(HORIZONS) < rows
        return type(self)(
            day=self.day[:rows],
            slow=self.slow[:rows],
            moved=self.moved[:rows],
            returns=np.where(known, self.returns[:rows], np.nan),
            variances=np.where(known, self.variances[:rows], np.nan),
            design=self.design[:rows],
            features=self.features[:rows],
        )
