"""The market that the local exchanges trade: endless made-up bars, the same whenever they are asked for."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice

Bar = tuple[int, float, float, float, float, float]
"""Epoch seconds of its start; open, high, low, close; volume."""


def price(minute: int) -> float:
    """The price at a minute since the epoch, in cents."""
    noise = (minute * 2_654_435_761 % 2**32) / 2**32 - 0.5
    waves = 9_000 * math.sin(minute / 139_680) + 2_000 * math.sin(minute / 16_272)
    return round(30_000 + waves + 900 * noise, 2)


def bar(start: int, minutes: int) -> Bar:
    """The bar that begins at `start`; each opens where the one before closed, at every length."""
    open_, close = price(start // 60), price(start // 60 + minutes)
    high, low = round(max(open_, close) + 3.25, 2), round(min(open_, close) - 3.25, 2)
    return start, open_, high, low, close, round(0.5 + start // 60 % 97 / 8, 4)


@dataclass
class Market:
    """What is known of one symbol; tests change it while it is served."""

    base: str
    quote: str
    begins: datetime
    holes: list[tuple[datetime, datetime]] = field(default_factory=list)
    corrections: dict[tuple[int, int], Bar] = field(default_factory=dict)

    def correct(self, start: datetime, minutes: int, close: float) -> None:
        """From now on the bar of this length that begins at `start` has another close."""
        stamp, open_, high, low, _, volume = bar(int(start.timestamp()), minutes)
        self.corrections[minutes, stamp] = (stamp, open_, max(high, close), min(low, close), close, volume)

    def bars(self, start: int, stop: int, minutes: int, limit: int) -> list[Bar]:
        """The first `limit` bars that begin in [start, stop)."""
        step = minutes * 60
        # the first bar may have begun before the market did
        first = max(-(-start // step), int(self.begins.timestamp()) // step) * step
        gone = [(int(begin.timestamp()), int(end.timestamp())) for begin, end in self.holes]
        stamps = (
            stamp
            for stamp in range(first, stop, step)
            if not any(begin <= stamp < end for begin, end in gone)
        )
        return [
            self.corrections.get((minutes, stamp)) or bar(stamp, minutes) for stamp in islice(stamps, limit)
        ]
