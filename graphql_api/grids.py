"""The grid of a range: one place per bar, whether the bar exists or not. Pure numpy over columns."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from btcql import calendar
from database.columns import Floats, Ints
from database.readers.bars import Bars
from graphql_api.ranges import Span

FLAGS = ("complete", "filled")


class Grid(NamedTuple):
    """n places in ascending order: arrays of shape (n,).

    start: epoch microseconds; columns: close, and of the others those that were read: prices and volume, NaN
    where there is no bar, observed, 0 there; of FLAGS those that are wanted, bool: complete, the bar's end
    has passed and its load has succeeded; filled, made of the close before.
    """

    start: Ints
    columns: Mapping[str, NDArray[Any]]

    @property
    def close(self) -> Floats:
        """The closes, which every grid has."""
        return self.columns["close"]

    def at(self, places: NDArray[Any]) -> Grid:
        """Return the grid of some of its places, given by number or by a mask."""
        columns = {name: values[places] for name, values in self.columns.items()}
        return Grid(self.start[places], columns)


def lay(bars: Bars, span: Span, complete_stop: int, flags: Collection[str] = FLAGS) -> Grid:
    """Return the grid of `span` with `bars` in their places; bars from `complete_stop` on are incomplete."""
    start, columns = bars.start, dict(bars.columns)
    if len(start) < len(span):  # else, as is most common, each place has its bar
        places = calendar.numbers(start, span.interval) - span.first
        start = calendar.starts(span.first, span.stop, span.interval)
        for name, values in bars.columns.items():
            columns[name] = np.full(len(span), np.nan if values.dtype.kind == "f" else 0, dtype=values.dtype)
            columns[name][places] = values
    if "complete" in flags:
        columns["complete"] = np.arange(span.first, span.stop, dtype=np.int64) < complete_stop
    if "filled" in flags:
        columns["filled"] = np.zeros(len(span), dtype=np.bool_)
    return Grid(start, columns)


def fill_previous(grid: Grid, before: float | None) -> Grid:
    """Return the grid with each missing bar at the close before it, volume 0, marked filled.

    `before` is the newest close before the grid; without one, bars before the first stay missing.
    """
    missing = np.isnan(grid.close)
    newest = np.maximum.accumulate(np.where(missing, -1, np.arange(len(missing))))
    earlier = np.nan if before is None else before
    level = np.where(newest >= 0, grid.close[newest], earlier)
    filled = missing & ~np.isnan(level)
    columns = dict(grid.columns)
    for name, price in (("open", level), ("high", level), ("low", level), ("close", level), ("volume", 0.0)):
        if name in columns:
            columns[name] = np.where(filled, price, columns[name])
    if "filled" in columns:
        columns["filled"] = filled
    return Grid(grid.start, columns)


def leave_out_missing(grid: Grid) -> Grid:
    """Return only the bars that exist."""
    return grid.at(~np.isnan(grid.close))


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
