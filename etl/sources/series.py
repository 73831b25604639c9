"""The rules of a series of bars, whatever it was read from: pure, vectorised, whole or refused."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import numpy as np

from btcql.records import Timeframe
from etl.sources.bars import Bars
from etl.sources.stamps import GENESIS, spelt
from lake.schema import PRICES, bars_table

_MINUTE = 60_000_000
_FEW = 3  # so many bars on whole days may be chance; more are daily bars


class SeriesError(Exception):
    """The bars as a whole cannot be taken; the message says why and what would be right."""


class RowError(SeriesError):
    """One row (counted from 0, blank ones left out) cannot be taken."""

    def __init__(self, row: int, reason: str) -> None:
        self.row, self.reason = row, reason
        super().__init__(f"row {row}: {reason}")


def finish(
    ts: np.ndarray, numbers: dict[str, np.ndarray], timeframe: Timeframe | None, now: datetime
) -> Bars:
    """Check bars in the order they were read, then sort them and drop the repeated and the forming.

    `ts`: int64 microseconds since the epoch, at least one; `numbers`: float64 open, high, low, close
    and volume, as long. Raises RowError for the first odd row, SeriesError for the whole.
    """
    _check_rows(ts, numbers, now)
    order = np.argsort(ts, kind="stable")
    notices = []
    late = int((ts[1:] < np.maximum.accumulate(ts)[:-1]).sum())
    if late:
        notices.append(f"rows were not in order of time ({late} of {len(ts)}): sorted")
    kept = _without_repeats(ts, numbers, order)
    if len(kept) < len(ts):
        notices.append(f"repeated rows were dropped: {len(ts) - len(kept)}")
    timeframe = _checked_timeframe(ts, kept, timeframe)
    length = timeframe.minutes * _MINUTE
    closed = kept[ts[kept] + length <= _microseconds(now)]
    if len(closed) < len(kept):
        notices.append(f"the bar of {spelt(ts[kept[-1]])} was still forming: dropped")
    if not len(closed):
        raise SeriesError("there is no bar that has ended yet")
    # rows that are in order already need no copy
    taken = slice(len(closed)) if not late and len(kept) == len(ts) else closed
    table = bars_table(ts[taken], {name: column[taken] for name, column in numbers.items()})
    through = datetime.fromtimestamp(int(ts[closed[-1]] + length) // 1_000_000, UTC)
    return Bars(table, timeframe, through, tuple(notices))


def _check_rows(ts: np.ndarray, numbers: dict[str, np.ndarray], now: datetime) -> None:
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


def _without_repeats(ts: np.ndarray, numbers: dict[str, np.ndarray], order: np.ndarray) -> np.ndarray:
    """Return `order` without rows that repeat the one before; RowError where two rows contradict."""
    again = ts[order[1:]] == ts[order[:-1]]
    if not again.any():
        return order
    first, second = order[:-1][again], order[1:][again]
    differs = np.zeros(len(first), dtype=bool)
    for column in numbers.values():
        differs |= column[first] != column[second]
    if differs.any():
        row = int(second[differs].min())
        raise RowError(row, f"a second bar of {spelt(ts[row])} has other values than the first one")
    return order[np.concatenate(([True], ~again))]


def _checked_timeframe(ts: np.ndarray, kept: np.ndarray, timeframe: Timeframe | None) -> Timeframe:
    """Return the timeframe given, or that of the most common spacing; every bar must start one of it."""
    whole = [frame for frame in Timeframe if not (ts % (frame.minutes * _MINUTE)).any()]
    if timeframe is None:
        timeframe = _inferred(np.diff(ts[kept]))
    elif len(kept) > _FEW and whole and whole[-1].minutes > timeframe.minutes:
        raise SeriesError(
            f"every bar starts on a whole {whole[-1]}: these are {whole[-1]} bars, not {timeframe}"
        )
    if timeframe not in whole:
        row = int(np.argmax(ts % (timeframe.minutes * _MINUTE) != 0))
        fit = f"{whole[-1]} would fit all rows" if whole else "no timeframe (1m, 1h, 1d) fits all rows"
        raise RowError(row, f"timestamp {spelt(ts[row])} does not start a {timeframe} bar in UTC: {fit}")
    return timeframe


def _inferred(spacings: np.ndarray) -> Timeframe:
    if not len(spacings):
        raise SeriesError("one bar does not tell its length: give --timeframe (1m, 1h or 1d)")
    values, counts = np.unique(spacings, return_counts=True)
    spacing = int(values[np.argmax(counts)])
    for frame in Timeframe:
        if frame.minutes * _MINUTE == spacing:
            return frame
    raise SeriesError(
        f"most bars are {spacing / _MINUTE:g} minutes apart: only bars of 1m, 1h and 1d can be taken"
    )


def _microseconds(instant: datetime) -> int:
    return int(instant.timestamp() * 1_000_000)
