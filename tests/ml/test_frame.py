from __future__ import annotations

import hashlib
import struct
from datetime import date

import numpy as np
import pytest

from btcql.errors import ForecastError
from ml.frame import DailyBars
from tests.ml.markets import day_of, made_bars, with_columns, with_rows


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("close", np.nan, "2015-01-04 has a price (close) not finite and above zero"),
        ("open", 0.0, "2015-01-04 has a price (open) not finite and above zero"),
        ("low", -1.0, "2015-01-04 has a price (low) not finite and above zero"),
        ("high", np.inf, "2015-01-04 has a price (high) not finite and above zero"),
        ("high", 1.0, "2015-01-04 has a low or high inside its open and close"),
        ("low", 1e9, "2015-01-04 has a low or high inside its open and close"),
        ("volume", -1.0, "2015-01-04 has a volume not finite and at least zero"),
        ("volume", np.nan, "2015-01-04 has a volume not finite and at least zero"),
    ],
)
def test_a_bar_that_cannot_be_is_refused_with_its_day(column: str, value: float, reason: str) -> None:
    bars = made_bars(10)
    values = getattr(bars, column).copy()
    values[3] = value
    with pytest.raises(ForecastError) as refused:
        with_columns(bars, {column: values})
    assert reason in str(refused.value)


@pytest.mark.parametrize(
    "day", ["2015-01-03", "2015-01-01"], ids=["twice the same day", "a day out of order"]
)
def test_days_that_do_not_ascend_are_refused(day: str) -> None:
    bars = made_bars(10)
    days = bars.day.copy()
    days[3] = np.datetime64(day)
    with pytest.raises(ForecastError, match=f"{day} does not follow the day before it"):
        DailyBars(days, bars.open, bars.high, bars.low, bars.close, bars.volume)


def test_a_missing_day_and_columns_of_different_lengths_are_refused() -> None:
    bars = made_bars(10)
    days = bars.day.copy()
    days[3] = np.datetime64("NaT")
    with pytest.raises(ForecastError, match="is not a day"):
        DailyBars(days, bars.open, bars.high, bars.low, bars.close, bars.volume)
    with pytest.raises(ForecastError, match="column volume has shape"):
        with_columns(bars, {"volume": bars.volume[:-1]})


def test_the_columns_are_copies_that_nobody_can_change() -> None:
    close = made_bars(10).close.copy()
    bars = with_columns(made_bars(10), {"close": close})
    close[0] = 1.0
    assert bars.close[0] != 1.0
    with pytest.raises(ValueError, match="read-only"):
        bars.close[0] = 1.0


def test_plain_columns_make_bars_and_none_make_an_empty_frame() -> None:
    bars = DailyBars.of([date(2024, 2, 29), date(2024, 3, 2)], [1, 2], [3, 4], [1, 2], [2, 3], [0, 5])
    assert bars.close.tolist() == [2.0, 3.0]
    assert day_of(bars, 1) == date(2024, 3, 2)
    assert len(DailyBars.of([], [], [], [], [], [])) == 0


def test_through_keeps_the_day_itself_and_nothing_later() -> None:
    bars = made_bars(10)
    assert len(bars.through(day_of(bars, 4))) == 5
    assert len(bars.through(date(2014, 12, 31))) == 0
    assert len(bars.through(date(2030, 1, 1))) == 10


def test_only_the_bars_after_the_last_long_gap_are_one_market() -> None:
    gappy = with_rows(made_bars(100), np.r_[0:10, 15:40, 80:100])
    assert day_of(gappy.since_gap(30), 0) == day_of(made_bars(100), 80)
    assert day_of(gappy.since_gap(40), 0) == day_of(made_bars(100), 0), "a gap of just that length is bridged"


def test_the_calendar_repeats_the_last_close_without_volume() -> None:
    bars = made_bars(10)
    filled, traded = with_rows(bars, np.r_[0:3, 5:10]).on_calendar()
    assert traded.tolist() == [True] * 3 + [False] * 2 + [True] * 5
    for column in (filled.open, filled.high, filled.low, filled.close):
        assert column[3:5].tolist() == [bars.close[2]] * 2
    assert filled.volume[3:5].tolist() == [0.0, 0.0]
    assert filled.close[traded].tolist() == with_rows(bars, np.r_[0:3, 5:10]).close.tolist()


def test_the_hash_is_of_the_columns_in_order_as_little_endian_numbers() -> None:
    bars = DailyBars.of([date(1970, 1, 2)], [2.0], [4.0], [1.0], [3.0], [5.0])
    canonical = b"btcql daily bars 1\n" + struct.pack("<q5d", 1, 2.0, 4.0, 1.0, 3.0, 5.0)
    assert bars.data_hash() == hashlib.sha256(canonical).hexdigest()


@pytest.mark.parametrize("column", ["open", "high", "low", "close", "volume"])
def test_one_changed_bit_changes_the_hash(column: str) -> None:
    bars = made_bars(10)
    values = getattr(bars, column).copy()
    values[5] = np.nextafter(values[5], np.inf if column in {"high", "volume"} else 0)
    if column in {"open", "close"}:
        values[5] = (bars.low[5] + bars.high[5]) / 2
    assert with_columns(bars, {column: values}).data_hash() != bars.data_hash()
