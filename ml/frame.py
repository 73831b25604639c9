"""The model's input: closed daily bars of one market, as numpy columns."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import date
from typing import Self

import numpy as np
import numpy.typing as npt

from btcql.errors import ForecastError

Floats = npt.NDArray[np.float64]
Days = npt.NDArray[np.datetime64]
Flags = npt.NDArray[np.bool_]

_ONE_DAY = np.timedelta64(1, "D")


@dataclass(frozen=True, slots=True, eq=False)
class DailyBars:
    """Closed daily bars: columns of shape (n,), read-only, one row for each day that has a bar.

    day: datetime64[D], strictly ascending; a day without trades has no row (see `on_calendar`).
    open, high, low, close: float64, quote currency, finite, above zero, low <= open, close <= high.
    volume: float64, base currency, finite, at least zero.
    Raises ForecastError that names the first day that breaks this.
    """

    day: Days
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats

    def __post_init__(self) -> None:
        for field in fields(self):
            kind = "datetime64[D]" if field.name == "day" else "float64"
            column = np.array(getattr(self, field.name), dtype=kind)
            if column.ndim != 1 or column.shape != np.shape(self.day):
                raise ForecastError(
                    f"daily bars: column {field.name} has shape {column.shape}, not one row per day"
                )
            column.setflags(write=False)
            object.__setattr__(self, field.name, column)
        self._refuse(np.isnat(self.day), "is not a day")
        self._refuse(
            np.diff(self.day, prepend=self.day[:1] - _ONE_DAY) < _ONE_DAY, "does not follow the day before it"
        )
        for name in ("open", "high", "low", "close"):
            column = getattr(self, name)
            self._refuse(
                ~(np.isfinite(column) & (column > 0)), f"has a price ({name}) not finite and above zero"
            )
        body_low, body_high = np.minimum(self.open, self.close), np.maximum(self.open, self.close)
        self._refuse(
            (self.low > body_low) | (self.high < body_high), "has a low or high inside its open and close"
        )
        self._refuse(
            ~(np.isfinite(self.volume) & (self.volume >= 0)), "has a volume not finite and at least zero"
        )

    def _refuse(self, wrong: Flags, reason: str) -> None:
        if wrong.any():
            raise ForecastError(f"daily bars: {self.day[np.argmax(wrong)]} {reason}")

    @classmethod
    def of(
        cls,
        day: Sequence[date],
        open: Sequence[float],  # noqa: A002 - the column's name everywhere
        high: Sequence[float],
        low: Sequence[float],
        close: Sequence[float],
        volume: Sequence[float],
    ) -> Self:
        """Return the bars of plain columns, in the order in which the database reads them."""
        floats = (np.array(column, dtype=np.float64) for column in (open, high, low, close, volume))
        return cls(np.array(day, dtype="datetime64[D]"), *floats)

    def __len__(self) -> int:
        return len(self.day)

    def _rows(self, rows: slice) -> Self:
        return type(self)(*(getattr(self, field.name)[rows] for field in fields(self)))

    def through(self, day: date) -> Self:
        """Return the bars up to and including `day`."""
        return self._rows(slice(0, int(np.searchsorted(self.day, np.datetime64(day, "D"), side="right"))))

    def since_gap(self, longest: int) -> Self:
        """Return the bars after the last gap of more than `longest` days without a bar."""
        gaps = np.flatnonzero(np.diff(self.day) > (longest + 1) * _ONE_DAY)
        return self._rows(slice(int(gaps[-1]) + 1 if len(gaps) else 0, None))

    def on_calendar(self) -> tuple[Self, Flags]:
        """Return one row for every day from the first to the last, and which of them have a bar.

        A day without one repeats the last close with no volume: it moved nothing, and the next bar's open
        shows the whole jump, so that a mean of daily variances over the gap remains what it was.
        """
        day = np.arange(self.day[0], self.day[-1] + _ONE_DAY)
        row = np.searchsorted(self.day, day, side="right") - 1
        traded = self.day[row] == day
        close = self.close[row]
        bars = type(self)(
            day=day,
            open=np.where(traded, self.open[row], close),
            high=np.where(traded, self.high[row], close),
            low=np.where(traded, self.low[row], close),
            close=close,
            volume=np.where(traded, self.volume[row], 0.0),
        )
        return bars, traded

    def data_hash(self) -> str:
        """Return the sha256 (hex) of the columns as little-endian 8-byte numbers, days since 1970 first."""
        digest = hashlib.sha256(b"btcql daily bars 1\n")
        digest.update(self.day.astype("<i8").tobytes())
        for name in ("open", "high", "low", "close", "volume"):
            digest.update(getattr(self, name).astype("<f8").tobytes())
        return digest.hexdigest()
