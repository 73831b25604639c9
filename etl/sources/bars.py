"""What every source hands on: whole, checked bars and what was repaired on the way."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa

from btcql.records import Timeframe


@dataclass(frozen=True, slots=True)
class Bars:
    """Bars of one timeframe: `table` has the lake's schema BARS, sorted by ts, unique, none forming.

    Every bar that ended by `complete_through` is in them; `notices` say what was repaired, one line each.
    """

    table: pa.Table
    timeframe: Timeframe
    complete_through: datetime
    notices: tuple[str, ...] = ()
