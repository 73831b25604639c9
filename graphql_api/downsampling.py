"""A series thinned out to what a chart can show, by the bars that its shape is made of."""

from __future__ import annotations

import numpy as np
from tsdownsample import LTTBDownsampler

from database.columns import Floats, Ints
from graphql_api.grids import Grid
from graphql_api.types import Warning  # noqa: A004 - the contract's name

LTTB = LTTBDownsampler()  # type: ignore[no-untyped-call]


def downsample(grid: Grid, points: int) -> tuple[Grid, list[Warning]]:
    """Return the grid with at most `points` (1 or more) of its bars, and the warning that says so.

    The bars are chosen by their closes with Largest Triangle Three Buckets (Steinarsson 2013), the first
    and the last among them; none is changed. Bars without a price are left out: they have no shape.
    """
    if len(grid.start) <= points:
        return grid, []
    chosen = np.flatnonzero(~np.isnan(grid.close))
    if len(chosen) > points:
        chosen = chosen[_choose(grid.start[chosen], grid.close[chosen], points)]
    thinned = grid.at(chosen)
    message = (
        f"{len(grid.start)} bars were downsampled to {len(chosen)} of them by LTTB of their closes; "
        "bars without a price are left out, and coverage is of all"
    )
    return thinned, [Warning(code="DOWNSAMPLED", message=message)]


def _choose(start: Ints, close: Floats, points: int) -> Ints:
    """Return the places of `points` bars, ascending; there are more than that."""
    if points < 3:  # noqa: PLR2004 - there is no triangle
        return np.array([0, len(start) - 1][-points:], dtype=np.int64)
    places: Ints = LTTB.downsample(start, close, n_out=points).astype(np.int64)
    return places
