"""The rules of a series of bars, whatever it was read from: pure, vectorised, whole or refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

import numpy as np

from btcql.records import Timeframe
from etl.sources.bars import Bars
from etl.sources.stamps import GENESIS, spelt
from lake.schema import PRICES, bars_table

_MINUTE = 60_000_000
_PIECE = 1 << 20  # so many rows are looked at together, where the whole would be one more copy of it
_FEW = 3  # so many bars on whole days may be chance; more are daily bars


class SeriesError(Exception):
    """The bars as a whole cannot be taken; the message says why and what would be right."""


class RowError(SeriesError):
    """One row (counted from 0, blank ones left out) cannot be taken."""

    def __init__(self, row: int, reason: str) -> None:
        self.row, self.reason = row, reason
        super().__init__(f"row {row}: {reason}")


class Column(Protocol):
    """Numbers of bars, of which some can be taken; an array is one."""

    def __getitem__(self, rows: Any, /) -> Any:
        """Return the numbers at these rows, from 0."""


@dataclass(frozen=True, slots=True)
class Arranged:
    """Which rows of a series are its bars: `rows` in ascending order of time, unique, none forming."""

    rows: np.ndarray | slice
    timeframe: Timeframe
    complete_through: datetime
    notices: tuple[str, ...]


def finish(
    ts: np.ndarray, numbers: dict[str, np.ndarray], timeframe: Timeframe | None, now: datetime
) -> Bars:
    """Check bars in the order they were read, then sort them and drop the repeated and the forming.

    `ts`: int64 microseconds since the epoch, at least one; `numbers`: float64 open, high, low, close
    and volume, as long. Raises RowError for the first odd row, SeriesError for the whole.
    """
    check_rows(ts, numbers, now)
    found = arrange(ts, numbers, timeframe, now)
    table = bars_table(ts[found.rows], {name: column[found.rows] for name, column in numbers.items()})
    return Bars(table, found.timeframe, found.complete_through, found.notices)


def arrange(
    ts: np.ndarray, columns: Mapping[str, Column], timeframe: Timeframe | None, now: datetime
) -> Arranged:
    """Sort checked rows, leave out the repeated and the forming, and find the bars' length.

    Rows in ascending order, as almost all are, need no second array. Raises as `finish`.
    """
    notices = []
    kept: np.ndarray | slice = slice(0, len(ts))
    if not (ts[1:] > ts[:-1]).all():
        order = np.argsort(ts, kind="stable")
        late = int((ts[1:] < np.maximum.accumulate(ts)[:-1]).sum())
        if late and not (ts[1:] <= ts[:-1]).all():  # newest first is an order, too
            notices.append(f"rows were not in order of time ({late} of {len(ts)}): sorted")
        kept = _without_repeats(ts, columns, order)
        if len(kept) < len(ts):
            notices.append(f"repeated rows were dropped: {len(ts) - len(kept)}")
    ascending = ts[kept]
    timeframe = _checked_timeframe(ts, ascending, timeframe)
    length = timeframe.minutes * _MINUTE
    closed = int(np.searchsorted(ascending, _microseconds(now) - length, side="right"))
    if closed < len(ascending):
        notices.append(f"the bar of {spelt(ascending[-1])} was still forming: dropped")
    if not closed:
        raise SeriesError("there is no bar that has ended yet")
    through = datetime.fromtimestamp(int(ascending[closed - 1] + length) // 1_000_000, UTC)
    rows = slice(0, closed) if isinstance(kept, slice) else kept[:closed]
    return Arranged(rows, timeframe, through, tuple(notices))


def check_rows(ts: np.ndarray, numbers: dict[str, np.ndarray], now: datetime) -> None:
    """Raise RowError for the first row whose values cannot be a bar's."""
    open_, high, low, close = (numbers[name] for name in PRICES)
    volume = numbers["volume"]

    def says(names: tuple[str, ...], reason: str) -> Callable[[int], str]:
        def say(row: int) -> str:
            values = ", ".join(f"{name} {float(numbers[name][row])!r}" for name in names)
            return f"{values} {reason}"

        return say

    def dates(reason: str) -> Callable[[int], str]:
        return lambda row: f"timestamp {spelt(int(ts[row]))} {reason}"

    bottom, top = np.minimum(open_, close), np.maximum(open_, close)
    rules: list[tuple[np.ndarray, Callable[[int], str]]] = [
        (ts < _microseconds(GENESIS), dates("is before 2009-01-03, when bitcoin began")),
        (ts > _microseconds(now), dates("is in the future")),
        *((~np.isfinite(numbers[name]), says((name,), "is not finite")) for name in numbers),
        *((numbers[name] <= 0, says((name,), "is not above zero")) for name in PRICES),
        (volume < 0, says(("volume",), "is below zero")),
        (high < low, says(("high", "low"), "disagree: high is below low")),
        (
            (high < top) | (low > bottom),
            says(PRICES, "disagree: open and close must lie between low and high"),
        ),
    ]
    found = [(int(np.argmax(mask)), rank) for rank, (mask, _) in enumerate(rules) if mask.any()]
    if found:
        row, rank = min(found)
        raise RowError(row, rules[rank][1](row))


def _without_repeats(ts: np.ndarray, columns: Mapping[str, Column], order: np.ndarray) -> np.ndarray:
    """Return `order` without rows that repeat the one before; RowError where two rows contradict."""
    again = ts[order[1:]] == ts[order[:-1]]
    if not again.any():
        return order
    first, second = order[:-1][again], order[1:][again]
    differs = np.zeros(len(first), dtype=bool)
    for column in columns.values():
        differs |= column[first] != column[second]
    if differs.any():
        row = int(second[differs].min())
        raise RowError(row, f"a second bar of {spelt(ts[row])} has other values than the first one")
    return order[np.concatenate(([True], ~again))]


def _checked_timeframe(ts: np.ndarray, ascending: np.ndarray, timeframe: Timeframe | None) -> Timeframe:
    """Return the timeframe given, or that of the most common spacing; every bar must start one of it."""
    whole = [frame for frame in Timeframe if _first_within(ts, frame) is None]
    if timeframe is None:
        timeframe = _inferred(ascending)
    elif len(ascending) > _FEW and whole and whole[-1].minutes > timeframe.minutes:
        raise SeriesError(
            f"every bar starts on a whole {whole[-1]}: these are {whole[-1]} bars, not {timeframe}"
        )
    row = _first_within(ts, timeframe)
    if row is not None:
        fit = f"{whole[-1]} would fit all rows" if whole else "no timeframe (1m, 1h, 1d) fits all rows"
        raise RowError(row, f"timestamp {spelt(ts[row])} does not start a {timeframe} bar in UTC: {fit}")
    return timeframe


def _first_within(ts: np.ndarray, frame: Timeframe) -> int | None:
    """Return the first row that does not start a bar of this length."""
    for start in range(0, len(ts), _PIECE):
        within = ts[start : start + _PIECE] % (frame.minutes * _MINUTE) != 0
        if within.any():
            return start + int(np.argmax(within))
    return None


def _inferred(ascending: np.ndarray) -> Timeframe:
    """Return the timeframe whose length is the most common spacing."""
    if len(ascending) == 1:
        raise SeriesError("one bar does not tell its length: give --timeframe (1m, 1h or 1d)")
    spacings: Counter[int] = Counter()
    for start in range(0, len(ascending) - 1, _PIECE):
        values, counts = np.unique(np.diff(ascending[start : start + _PIECE + 1]), return_counts=True)
        spacings.update(dict(zip(values.tolist(), counts.tolist(), strict=True)))
    most = max(spacings.values())
    spacing = min(value for value, count in spacings.items() if count == most)
    for frame in Timeframe:
        if frame.minutes * _MINUTE == spacing:
            return frame
    raise SeriesError(
        f"most bars are {spacing / _MINUTE:g} minutes apart: only bars of 1m, 1h and 1d can be taken"
    )


def _microseconds(instant: datetime) -> int:
    return int(instant.timestamp() * 1_000_000)
