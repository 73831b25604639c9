from __future__ import annotations

from datetime import UTC, date, datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from btcql import calendar
from btcql.records import Interval, Period

instants = st.integers(
    calendar.microseconds(datetime(1900, 1, 1, tzinfo=UTC)),
    calendar.microseconds(datetime(2200, 1, 1, tzinfo=UTC)),
)
intervals = st.sampled_from(list(Interval))


def at(text: str) -> int:
    return calendar.microseconds(datetime.fromisoformat(text).replace(tzinfo=UTC))


@pytest.mark.parametrize(
    ("interval", "floor", "ceil"),
    [
        (Interval.MINUTE, "2024-02-29T23:59", "2024-03-01T00:00"),
        (Interval.FIVE_MINUTES, "2024-02-29T23:55", "2024-03-01T00:00"),
        (Interval.FIFTEEN_MINUTES, "2024-02-29T23:45", "2024-03-01T00:00"),
        (Interval.HOUR, "2024-02-29T23:00", "2024-03-01T00:00"),
        (Interval.FOUR_HOURS, "2024-02-29T20:00", "2024-03-01T00:00"),
        (Interval.DAY, "2024-02-29", "2024-03-01"),
        (Interval.WEEK, "2024-02-26", "2024-03-04"),
        (Interval.MONTH, "2024-02-01", "2024-03-01"),
    ],
)
def test_an_instant_falls_in_the_bar_of_each_interval(interval: Interval, floor: str, ceil: str) -> None:
    instant = at("2024-02-29T23:59:30")
    assert calendar.floor(instant, interval) == at(floor)
    assert calendar.ceil(instant, interval) == at(ceil)
    assert calendar.floor(at(ceil), interval) == calendar.ceil(at(ceil), interval) == at(ceil)


@given(instants, intervals)
def test_a_bar_holds_the_instants_from_its_start_to_the_next(instant: int, interval: Interval) -> None:
    bar = calendar.number(instant, interval)
    assert calendar.start_of(bar, interval) <= instant < calendar.start_of(bar + 1, interval)
    assert calendar.number(calendar.start_of(bar, interval), interval) == bar
    assert calendar.numbers(np.array([instant]), interval).tolist() == [bar]


@given(instants, st.integers(0, 100_000_000), intervals)
def test_the_count_of_bars_is_that_of_the_grid(instant: int, seconds: int, interval: Interval) -> None:
    end = instant + min(seconds, 5_000) * 1_000_000
    first, stop = calendar.number(instant, interval), calendar.stop_number(end, interval)
    assert calendar.count(instant, end, interval) == len(calendar.starts(first, stop, interval))


@pytest.mark.parametrize(
    ("interval", "rule"),
    [(Interval.DAY, "D"), (Interval.WEEK, "W-MON"), (Interval.MONTH, "MS"), (Interval.FOUR_HOURS, "4h")],
)
def test_the_grid_is_that_of_pandas(interval: Interval, rule: str) -> None:
    first, stop = (calendar.number(at(day), interval) for day in ("1969-06-30", "1971-03-01"))
    starts = calendar.starts(first, stop, interval)
    expected = pd.date_range(calendar.to_datetime(int(starts[0])), periods=stop - first, freq=rule, unit="us")
    assert starts.tolist() == expected.astype(np.int64).tolist()


@pytest.mark.parametrize(
    ("end", "period", "start"),
    [
        ("2024-03-10", Period.DAY, "2024-03-09"),
        ("2024-03-10", Period.WEEK, "2024-03-03"),
        ("2024-03-31", Period.MONTH, "2024-02-29"),
        ("2023-03-31", Period.MONTH, "2023-02-28"),
        ("2024-01-15T06:30", Period.MONTH, "2023-12-15T06:30"),
        ("2024-05-31", Period.QUARTER, "2024-02-29"),
        ("2024-02-29", Period.YEAR, "2023-02-28"),
    ],
)
def test_a_period_before_clips_to_the_months_last_day(end: str, period: Period, start: str) -> None:
    assert calendar.before(at(end), period) == at(start)


def test_all_of_time_has_no_length() -> None:
    with pytest.raises(ValueError, match="ALL has no length"):
        calendar.before(0, Period.ALL)


def test_the_finest_interval_that_fits_is_suggested() -> None:
    year = at("2023-01-01"), at("2024-01-01")
    assert calendar.coarser(*year, Interval.MINUTE, 10_000) is Interval.HOUR
    assert calendar.coarser(*year, Interval.DAY, 60) is Interval.WEEK
    assert calendar.coarser(*year, Interval.WEEK, 2) is None
    assert calendar.coarser(*year, Interval.MONTH, 10_000) is None


def test_a_day_begins_at_midnight_utc_and_survives_the_end_of_time() -> None:
    assert calendar.midnight(date(2024, 3, 1)) == at("2024-03-01")
    assert calendar.midnight(date(9999, 12, 31)) + calendar.DAY > at("9999-12-31T23:59:59")
    assert calendar.number(calendar.midnight(date(1, 1, 1)), Interval.MONTH) == -1969 * 12
