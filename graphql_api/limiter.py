"""Rate limits by cost: a bucket of tokens for each client, in this process alone.

A bucket holds a minute's cost and fills again within a minute. A request takes what it costs; one that costs
more than a whole bucket holds takes it from a full one, which then owes the rest: whatever the other guards
allow can be asked, if seldom. Several processes, or machines, allow each client as many times the rate.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from time import monotonic
from typing import NamedTuple

_WINDOW = 60  # seconds
_MOST = 100_000  # buckets; of those that a client used longest ago the debts are forgotten


class Standing(NamedTuple):
    """How a client stands: cost a minute, what is left of it, seconds until it is full or enough."""

    rate: int
    remaining: int
    full_in: int
    wait: int = 0

    @property
    def allowed(self) -> bool:
        """Whether what was asked for was taken."""
        return self.wait == 0


class Limiter:
    """The buckets, by name; `clock` tells seconds."""

    def __init__(self, clock: Callable[[], float] = monotonic, most: int = _MOST) -> None:
        self._clock, self._most = clock, most
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()  # what was left, and when

    def take(self, bucket: str, rate: int, cost: float, paid: float = 0) -> Standing:
        """Take `cost` from a bucket of `rate` a minute, if so much is there; 0 only looks.

        Of the cost so much is `paid`: it was taken before, as all that was known of it then.
        """
        now = self._clock()
        level, at = self._levels.get(bucket, (float(rate), now))
        level = min(float(rate), level + (now - at) * rate / _WINDOW)
        lacking = min(cost, rate) - paid - level
        if lacking > 0:
            return _standing(rate, level, math.ceil(lacking * _WINDOW / rate))
        level -= cost - paid
        if cost > paid:
            self._levels[bucket] = level, now
            self._levels.move_to_end(bucket)
            if len(self._levels) > self._most:
                self._levels.popitem(last=False)
        return _standing(rate, level)


def _standing(rate: int, level: float, wait: int = 0) -> Standing:
    return Standing(rate, max(0, math.floor(level)), math.ceil((rate - level) * _WINDOW / rate), wait)
