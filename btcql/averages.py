"""Moving averages over exactly x bars: pure numpy, and the same bits whatever range asks for them.

A point's bits depend on the bars of its own window only (for EXPONENTIAL: on the bars since an anchor
fixed in absolute time), never on where the range begins. So there are no prefix sums and no BLAS here:
a window is summed by x additions of whole columns, oldest bar first, for every point in the same order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from btcql.errors import QueryError
from btcql.records import AverageKind

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]

MAX_WINDOW = 1000
OK, WARMUP, GAP = 0, 1, 2

# An exponential average keeps 1 - 2/(x+1) of its past a bar: after 20(x+1) bars less than 2^-57 of it
_MEMORY = 20


@dataclass(frozen=True)
class Averages:
    """The average at each of n bars: three arrays of shape (n,).

    `value` is NaN unless `status` is OK; `status` is OK, WARMUP or GAP; `observations` counts the bars
    that exist in the point's window.
    """

    value: Floats
    status: NDArray[np.int8]
    observations: Ints


def check_window(window: int) -> None:
    """Raise QueryError (WINDOW_INVALID) unless `window` is in 1..1000."""
    if not 1 <= window <= MAX_WINDOW:
        raise QueryError(
            "WINDOW_INVALID", f"window {window} is not in 1..{MAX_WINDOW}: give a number of bars in it"
        )


def lead(window: int, kind: AverageKind, first: int) -> int:
    """Return how many bars before bar number `first` the average at `first` is computed from.

    For EXPONENTIAL these reach back to the anchor of `first`: bars are numbered in absolute time, in
    blocks of the first power of two not below 5(x+1); the anchor is 20(x+1) bars before the block.
    """
    if kind is AverageKind.EXPONENTIAL:
        return first - _anchor(first, window)
    return window - 1


def longest_lead(window: int) -> int:
    """Return how many bars before any range an exponential average over it is computed from, at most."""
    return _MEMORY * (window + 1) + _block(window) - 1


def average(closes: Floats, window: int, kind: AverageKind, first: int, origin: int) -> Averages:
    """Return the average at the bars first, first + 1, ... to the end of `closes`.

    `closes` has shape (lead(window, kind, first) + n,), NaN where a bar is missing; its last n entries
    are the bars asked for. `origin` is the number of the market's first bar: a window that would reach
    before it is WARMUP. Raises QueryError (WINDOW_INVALID).
    """
    check_window(window)
    led = lead(window, kind, first)
    n = len(closes) - led
    recent = closes[led - (window - 1) :]
    observations = np.zeros(n, dtype=np.int64)
    present = ~np.isnan(recent)
    for i in range(window):
        observations += present[i : i + n]
    ordinal = np.arange(first, first + n, dtype=np.int64) - origin + 1
    status = np.full(n, OK, dtype=np.int8)
    status[observations < window] = GAP
    status[ordinal < window] = WARMUP
    if kind is AverageKind.EXPONENTIAL:
        value = _exponential(closes, window, first, n)
    else:
        value = _weighted(recent, window, kind, n)
    value[status != OK] = np.nan
    return Averages(value, status, observations)


def _weighted(closes: Floats, window: int, kind: AverageKind, n: int) -> Floats:
    """Return sum(w_i close_i) / sum(w_i) over each window; weights 1 (SIMPLE) or 1..x (WEIGHTED)."""
    total = np.zeros(n)
    if kind is AverageKind.SIMPLE:
        for i in range(window):
            total += closes[i : i + n]
        return total / window
    for i in range(window):
        total += (i + 1) * closes[i : i + n]
    return total / (window * (window + 1) // 2)


def _exponential(closes: Floats, window: int, first: int, n: int) -> Floats:
    """Return the exponential average, each block of bars computed from its own anchor."""
    size = _block(window)
    led = len(closes) - n
    value = np.empty(n)
    done = 0
    while done < n:
        bar = first + done
        stop = min(n, done + size - bar % size)
        begin = led + done - (bar - _anchor(bar, window))
        run = _recurse(closes[begin : led + stop].tolist(), window)
        value[done:stop] = run[len(run) - (stop - done) :]
        done = stop
    return value


def _recurse(closes: list[float], window: int) -> list[float]:
    """Return the average after each close; NaN until x closes in a row have seeded it with their mean."""
    alpha = 2 / (window + 1)
    values, level, seen, total = [], float("nan"), 0, 0.0
    for close in closes:
        if close != close:  # noqa: PLR0124 - NaN: a missing bar ends the run
            seen, total, level = 0, 0.0, close
        elif seen < window:
            seen, total = seen + 1, total + close
            if seen == window:
                level = total / window
        else:
            level = alpha * close + (1 - alpha) * level  # in this form x = 1 gives the close itself
        values.append(level)
    return values


def _block(window: int) -> int:
    # a quarter of what it remembers: larger blocks read more before the first bar, smaller ones compute more
    return 1 << (_MEMORY * (window + 1) // 4 - 1).bit_length()


def _anchor(bar: int, window: int) -> int:
    size = _block(window)
    return bar // size * size - _MEMORY * (window + 1)
