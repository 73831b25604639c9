"""What every source hands on: checked bars and what was repaired on the way."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pyarrow as pa

from btcql.records import Timeframe


@dataclass(frozen=True, slots=True)
class Block:
    """Some consecutive bars as they were read, not checked yet.

    `ts`: int64 microseconds since the epoch; `numbers`: float64 open, high, low, close and volume, as long.
    """

    ts: np.ndarray
    numbers: dict[str, np.ndarray]


@dataclass(frozen=True, slots=True)
class Bars:
    """Bars of one timeframe: `table` has the lake's schema BARS, sorted by ts, unique, none forming.

    Every bar that ended by `complete_through` is in them; `notices` say what was repaired, one line each.
    """

    table: pa.Table
    timeframe: Timeframe
    complete_through: datetime
    notices: tuple[str, ...] = ()
