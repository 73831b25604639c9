"""Decimals as whole numbers: the columnstore keeps these in half the bytes, and none of them is lost.

The view candle divides them by their unit again (migration 0012).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from database.columns import Floats

# What the table's columns of units take; with one a number is kept as it is.
UNITS = [float(10**digits) for digits in range(11)]
_LIMIT = 2.0**53  # a float8 holds every whole number below it


def find_unit(columns: Sequence[Floats]) -> float:
    """Return the least power of ten by which all numbers of the columns become whole and come back.

    That is, number = whole / unit to the last bit. 1 where there is none: numbers that are no short decimals,
    or not finite, are kept as they are.
    """
    largest = max((float(np.abs(column).max()) for column in columns if len(column)), default=0.0)
    for unit in UNITS:
        if not largest * unit < _LIMIT:  # infinity, or NaN: no unit would do
            break
        if all((np.rint(column * unit) / unit == column).all() for column in columns):
            return unit
    return 1.0


def scaled(column: Floats, unit: float) -> Floats:
    """Return the numbers as they are kept: whole in the unit found for them, untouched in the unit 1."""
    return column if unit == 1 else np.rint(column * unit)
