"""What each day of a month was loaded from, as digests: the next load compares only the days that differ."""

from __future__ import annotations

import hashlib
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import TypeAlias

import numpy as np
import pyarrow as pa

from btcql.calendar import DAY, microseconds
from database.columns import instants_of
from database.connection import Connection
from database.queries import query

Digests: TypeAlias = list[bytes | None]  # of a month's days from the first to the last; None: it has no bars

_COLUMNS = ("ts", "open", "high", "low", "close", "volume", "minutes")


def digest_days(bars: pa.Table, starts: datetime, ends: datetime) -> Digests:
    """Return the sha256 of each day's bars.

    Raises ValueError for bars that do not ascend within the days [starts, ends).
    """
    ts = instants_of(bars)
    edges = np.searchsorted(ts, np.arange(microseconds(starts), microseconds(ends) + 1, DAY))
    if (ts[1:] <= ts[:-1]).any() or edges[0] != 0 or edges[-1] != len(ts):
        raise ValueError(f"the bars do not ascend from {starts:%Y-%m-%d} to {ends:%Y-%m-%d}")
    columns = [bars.column(name).to_numpy() for name in _COLUMNS]
    return [
        hashlib.sha256(b"".join(column[start:end].tobytes() for column in columns)).digest()
        if start < end
        else None
        for start, end in pairwise(edges)
    ]


def find_stretch(
    connection: Connection, symbol: str, starts: datetime, digests: Digests
) -> tuple[datetime, datetime]:
    """Return the days [from, to) outside which the market's month, from `starts`, has the bars of `digests`.

    Nothing differs if the two are equal. All days may differ where the month's own digests are not known, or
    where bars have come or gone without a load.
    """
    ends = starts + timedelta(days=len(digests))
    month = {"symbol": symbol, "month": starts.date(), "starts": starts, "ends": ends}
    found = connection.execute(query("read_digests"), month).fetchone()
    if not found:
        return starts, ends
    pairs = zip(found[0], digests, strict=True)
    differing = [number for number, (known, given) in enumerate(pairs) if known != given]
    if not differing:
        return starts, starts
    return starts + timedelta(days=differing[0]), starts + timedelta(days=differing[-1] + 1)


def write_digests(
    connection: Connection, symbol: str, month: date, input_sha256: str, digests: Digests
) -> None:
    """Put the digests of a month's bars beside its marker, which is there and of the same input."""
    connection.execute(query("write_digests"), [symbol, month, input_sha256, digests])
