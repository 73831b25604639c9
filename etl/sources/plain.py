"""Plain CSV files: timestamp,open,high,low,close,volume, named so, in any order and case."""

from __future__ import annotations

from btcql.records import DEFAULT_SYMBOL
from etl.sources.layout import COLUMNS, Layout, Origin, below_header
from etl.sources.text import Head

ORIGIN = Origin("a plain file of bars", symbol=DEFAULT_SYMBOL)
_ENOUGH = 2  # so many of the names make a header that means to be plain: what it lacks is then said


def recognise(head: Head) -> Layout | None:
    """Tell a plain file by its header; InputError for a header that lacks or repeats a column."""
    named = {name.lower() for name in head.lines[0][1]} & set(COLUMNS)
    return below_header(head, 0, ORIGIN) if len(named) >= _ENOUGH else None
