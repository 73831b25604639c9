"""The words that the packages share: symbols, sources, bar lengths, ranges and kinds of average."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum

from btcql.errors import SettingError

SYNTHETIC = "synthetic"
DEFAULT_SYMBOL = "BTC-USD"
DEFAULT_SOURCE = "bitstamp"
FIRST_DAY = date(2012, 1, 1)  # from which a market is fetched: before it there was little trade

_SYMBOL = re.compile(r"[A-Z0-9]{1,20}-[A-Z0-9]{1,20}")
_SOURCE = re.compile(r"(file:)?[A-Za-z0-9][A-Za-z0-9._-]{0,79}")


class Timeframe(StrEnum):
    """The length of a raw bar, finest first."""

    MINUTE = "1m"
    HOUR = "1h"
    DAY = "1d"

    @property
    def minutes(self) -> int:
        """The bar's length in minutes."""
        return {"1m": 1, "1h": 60, "1d": 1440}[self.value]

    @property
    def length(self) -> timedelta:
        """The bar's length."""
        return timedelta(minutes=self.minutes)


class Interval(StrEnum):
    """The length of a bar that the API serves."""

    MINUTE = "MINUTE"
    FIVE_MINUTES = "FIVE_MINUTES"
    FIFTEEN_MINUTES = "FIFTEEN_MINUTES"
    HOUR = "HOUR"
    FOUR_HOURS = "FOUR_HOURS"
    DAY = "DAY"
    WEEK = "WEEK"
    MONTH = "MONTH"


class Period(StrEnum):
    """A rolling range that ends with the last complete bar."""

    DAY = "DAY"
    WEEK = "WEEK"
    MONTH = "MONTH"
    QUARTER = "QUARTER"
    YEAR = "YEAR"
    ALL = "ALL"


class AverageKind(StrEnum):
    """The weights of a moving average."""

    SIMPLE = "SIMPLE"
    EXPONENTIAL = "EXPONENTIAL"
    WEIGHTED = "WEIGHTED"


def check_symbol(text: str) -> str:
    """Return `text` if it is a symbol such as BTC-USD, else raise SettingError."""
    if not _SYMBOL.fullmatch(text):
        raise SettingError(f"symbol {text!r} is not of the form BASE-QUOTE in capitals, such as BTC-USD")
    return text


def check_source(text: str) -> str:
    """Return `text` if it is a source's name such as bitstamp or file:prices, else raise SettingError."""
    if not _SOURCE.fullmatch(text):
        raise SettingError(
            f"source {text!r} is not a name such as bitstamp (letters, digits, '.', '_' and '-')"
        )
    return text


def utc(instant: datetime) -> datetime:
    """Return `instant` in UTC; a naive one raises ValueError, for its meaning would be a guess."""
    if instant.tzinfo is None:
        raise ValueError(f"{instant.isoformat()} has no time zone: append Z for UTC")
    return instant.astimezone(UTC)
