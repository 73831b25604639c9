"""The grid of a range: one place per bar, whether the bar exists or not. Pure numpy over columns."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from btcql import calendar
from database.columns import Floats, Ints
from database.readers.bars import Bars
from graphql_api.ranges import Span


@dataclass(frozen=True)
class Grid:
    """n places in ascending order: arrays of shape (n,).

    start: epoch microseconds; prices and volume: NaN where there is no bar; observed: 0 there;
    complete: the bar's end has passed and its load has succeeded; filled: made of the close before.
    """

    start: Ints
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    observed: Ints
    complete: NDArray[np.bool_]
    filled: NDArray[np.bool_]


def lay(bars: Bars, span: Span, complete_stop: int) -> Grid:
    """Return the grid of `span` with `bars` in their places; bars from `complete_stop` on are incomplete."""
    numbers = np.arange(span.first, span.stop, dtype=np.int64)
    complete, filled = numbers < complete_stop, np.zeros(len(span), dtype=np.bool_)
    if len(bars.start) == len(span):  # as is most common: each place has its bar
        prices = (bars.open, bars.high, bars.low, bars.close, bars.volume)
        return Grid(bars.start, *prices, bars.observed, complete, filled)
    places = calendar.numbers(bars.start, span.interval) - span.first
    observed = np.zeros(len(span), dtype=np.int64)
    observed[places] = bars.observed
    return Grid(
        start=calendar.starts(span.first, span.stop, span.interval),
        open=scatter(bars.open, places, len(span)),
        high=scatter(bars.high, places, len(span)),
        low=scatter(bars.low, places, len(span)),
        close=scatter(bars.close, places, len(span)),
        volume=scatter(bars.volume, places, len(span)),
        observed=observed,
        complete=complete,
        filled=filled,
    )


def scatter(values: Floats, places: Ints, size: int) -> Floats:
    """Return an array of shape (size,) with `values` at `places` and NaN elsewhere."""
    column = np.full(size, np.nan)
    column[places] = values
    return column


def fill_previous(grid: Grid, before: float | None) -> Grid:
    """Return the grid with each missing bar at the close before it, volume 0, marked filled.

    `before` is the newest close before the grid; without one, bars before the first stay missing.
    """
    missing = np.isnan(grid.close)
    newest = np.maximum.accumulate(np.where(missing, -1, np.arange(len(missing))))
    earlier = np.nan if before is None else before
    level = np.where(newest >= 0, grid.close[newest], earlier)
    filled = missing & ~np.isnan(level)
    prices = {name: np.where(filled, level, getattr(grid, name)) for name in ("open", "high", "low", "close")}
    return replace(grid, **prices, volume=np.where(filled, 0.0, grid.volume), filled=filled)


def leave_out_missing(grid: Grid) -> Grid:
    """Return only the bars that exist."""
    present = ~np.isnan(grid.close)
    return Grid(**{field.name: getattr(grid, field.name)[present] for field in fields(grid)})


def gaps(missing: NDArray[np.bool_], span: Span) -> list[tuple[int, int, int]]:
    """Return each stretch of missing bars as (start, end, bars), instants in epoch microseconds."""
    if not missing.any():
        return []
    edges = np.flatnonzero(np.diff(np.concatenate(([False], missing, [False])).astype(np.int8)))
    firsts, stops = edges[::2].tolist(), edges[1::2].tolist()
    return [
        (
            calendar.start_of(span.first + first, span.interval),
            calendar.start_of(span.first + stop, span.interval),
            stop - first,
        )
        for first, stop in zip(firsts, stops, strict=True)
    ]
