"""A made-up market, so that the product can be seen with no network: seeded, the same for everyone.

Daily log returns follow a GARCH(1,1) (Bollerslev 1986) with Student-t shocks and no drift: the path
promises nothing. Each day's minutes bridge from its start to its end with the day's own seasons,
bursts and volume. All randomness of a year's days, or of a month's minutes, comes from a generator
seeded with that year or month, so a bar never changes when more of the path is asked for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pyarrow as pa

from btcql.records import Timeframe
from lake.schema import PRICES, bars_table

YEARS = 10
MINUTE_DAYS = 30

_SEED = 20090115  # of many tried, one whose path neither runs away nor withers before 2060
_ORIGIN = 2010  # the path's first year; its first price is _START
_START = 20_000.0
_DAILY_VOLATILITY = 0.027
_ALPHA, _BETA = 0.09, 0.88
_FREEDOM = 5.0
_LARGEST_SHOCK = 8.0
_DAILY_VOLUME = 12_000.0
_LEAP_DAY = (2, 29)
_SATURDAY = 5
_MINUTES = 1440
_MICROSECONDS = 60_000_000

_Columns = dict[str, np.ndarray]


def sample_bars(through: datetime) -> dict[Timeframe, pa.Table]:
    """Return made-up hours of the ten years, and minutes of the thirty days, that end at `through`.

    Tables have the lake's schema BARS; the hours are exactly the minutes' aggregates. `through` is a
    midnight in UTC, ten years after the path's origin or later; anything else raises ValueError.
    """
    if through != through.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0):
        raise ValueError(f"{through} is not a midnight in UTC")
    end = through.astimezone(UTC).date()
    day = 28 if (end.month, end.day) == _LEAP_DAY else end.day
    first = date(end.year - YEARS, end.month, day)
    if first.year < _ORIGIN:
        raise ValueError(
            f"the made-up market begins in {_ORIGIN}: {through} is less than {YEARS} years later"
        )
    fine_from = end - timedelta(days=MINUTE_DAYS)
    hours, minutes = [], []
    for start, columns in _months(first, end):
        ts = np.datetime64(start, "us").astype(np.int64) + np.arange(columns["open"].size) * _MICROSECONDS
        from_day, to_day = max(first, start), min(end, _following(start))
        whole = slice((from_day - start).days * _MINUTES, (to_day - start).days * _MINUTES)
        hours.append(_hourly(ts[whole], {name: column[whole] for name, column in columns.items()}))
        if to_day > fine_from:
            fine = slice((max(from_day, fine_from) - start).days * _MINUTES, whole.stop)
            minutes.append(bars_table(ts[fine], {name: column[fine] for name, column in columns.items()}))
    return {
        Timeframe.MINUTE: pa.concat_tables(minutes).combine_chunks(),
        Timeframe.HOUR: pa.concat_tables(hours).combine_chunks(),
    }


def sample_sha256(through: datetime) -> str:
    """Return the digest of all that makes the sample, which stands for that of a file's bytes."""
    return hashlib.sha256(
        f"{_SEED} {_ORIGIN} {YEARS} {MINUTE_DAYS} {through.isoformat()}".encode()
    ).hexdigest()


def _months(first: date, end: date) -> Iterator[tuple[date, _Columns]]:
    """Yield each month's first day with the minute bars of the whole month, one after the other."""
    volatility, level = _daily_path(end.year)
    start = first.replace(day=1)
    while start < end:
        following = _following(start)
        days = slice((start - date(_ORIGIN, 1, 1)).days, (following - date(_ORIGIN, 1, 1)).days)
        levels = level[days.start : days.stop + 1]
        yield start, _minutes(start, volatility[days], levels)
        start = following


def _daily_path(last_year: int) -> tuple[np.ndarray, np.ndarray]:
    """Return each day's volatility, and the log price at each day's start (one more), from the origin."""
    shocks = []
    for year in range(_ORIGIN, last_year + 1):
        days = (date(year + 1, 1, 1) - date(year, 1, 1)).days
        shocks.append(_generator(year).standard_t(_FREEDOM, size=days))
    scale = np.sqrt((_FREEDOM - 2) / _FREEDOM)  # to a variance of one
    shock = np.clip(np.concatenate(shocks) * scale, -_LARGEST_SHOCK, _LARGEST_SHOCK)
    usual = _DAILY_VOLATILITY**2
    variance, volatility = usual, np.empty(len(shock))
    for day, size in enumerate(shock.tolist()):
        volatility[day] = variance**0.5
        variance = usual * (1 - _ALPHA - _BETA) + variance * (_ALPHA * size * size + _BETA)
    level = np.log(_START) + np.concatenate(([0.0], np.cumsum(volatility * shock)))
    return volatility, level


def _minutes(start: date, volatility: np.ndarray, levels: np.ndarray) -> _Columns:
    """Return a month's minute bars, shape (days * 1440,): prices in cents, volumes in steps of 0.0001."""
    days = len(volatility)
    burst, noise, above, below = _generator(start.year, start.month).standard_normal((4, days, _MINUTES))
    weekday = (start.weekday() + np.arange(days)) % 7
    activity = _season() * np.exp(0.7 * burst - 0.245)
    share = activity / activity.sum(axis=1, keepdims=True)
    deviation = np.sqrt(share) * volatility[:, None]
    steps = noise * deviation
    # a bridge: what the day's path misses of its end is spread over its minutes by their variance
    steps += share * (np.diff(levels)[:, None] - steps.sum(axis=1, keepdims=True))
    path = levels[:-1, None] + np.cumsum(steps, axis=1)
    close = _cents(np.exp(path)).ravel()
    open_ = np.concatenate((_cents(np.exp(levels[:1])), close[:-1]))
    reach = 0.5 * deviation
    high = _cents(np.maximum(open_, close) * np.exp(np.abs(above) * reach).ravel())
    low = _cents(np.minimum(open_, close) * np.exp(-np.abs(below) * reach).ravel())
    turnover = _DAILY_VOLUME * (volatility / _DAILY_VOLATILITY) * np.where(weekday >= _SATURDAY, 0.6, 1.0)
    traded = share * turnover[:, None] * (0.5 + 0.6 * np.abs(noise))
    volume = np.rint(traded.ravel() * 10_000) / 10_000
    return dict(zip((*PRICES, "volume"), (open_, high, low, close, volume), strict=True))


def _season() -> np.ndarray:
    """Return how busy each minute of a day is: liveliest at 15:00 UTC, calmest at night, mean one."""
    hour = np.arange(_MINUTES) / 60
    busy = 1 + 0.45 * np.cos((hour - 15) * np.pi / 12) + 0.25 * np.cos((hour - 14) * np.pi / 6)
    return np.asarray(busy / busy.mean())


def _hourly(ts: np.ndarray, minutes: _Columns) -> pa.Table:
    """Aggregate minute bars of whole hours into hourly ones."""
    by_hour = {name: column.reshape(-1, 60) for name, column in minutes.items()}
    columns = {
        "open": by_hour["open"][:, 0],
        "high": by_hour["high"].max(axis=1),
        "low": by_hour["low"].min(axis=1),
        "close": by_hour["close"][:, -1],
        "volume": np.rint(by_hour["volume"].sum(axis=1) * 10_000) / 10_000,
    }
    return bars_table(ts[::60], columns)


def _cents(prices: np.ndarray) -> np.ndarray:
    return np.asarray(np.maximum(np.rint(prices * 100), 1) / 100)


def _following(month: date) -> date:
    return date(month.year + month.month // 12, month.month % 12 + 1, 1)


def _generator(*key: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([_SEED, *key])))
