"""When the daily refresh is due: at 00:40 UTC, once, whatever was missed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.due import expected_through, last_due, next_due, retry


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}+00:00")


@pytest.mark.parametrize(
    ("now", "last", "following"),
    [
        ("2024-03-01 00:39:59", "2024-02-29 00:40", "2024-03-01 00:40"),
        ("2024-03-01 00:40:00", "2024-03-01 00:40", "2024-03-02 00:40"),
        ("2024-12-31 23:59:59", "2024-12-31 00:40", "2025-01-01 00:40"),
    ],
)
def test_a_refresh_is_due_at_0040(now: str, last: str, following: str) -> None:
    assert (last_due(at(now)), next_due(at(now))) == (at(last), at(following))


@given(st.datetimes(timezones=st.just(UTC)).filter(lambda now: 2 < now.year < 9999))
def test_now_lies_between_two_of_them(now: datetime) -> None:
    assert last_due(now) <= now < next_due(now) == last_due(now) + timedelta(days=1)


def test_retries_come_more_and_more_slowly_but_the_same_day() -> None:
    now = at("2024-03-01 00:41")
    pauses = [retry(now, failures) - now for failures in range(1, 8)]
    assert pauses == [timedelta(minutes=minutes) for minutes in (5, 10, 20, 40, 80, 120, 120)]
    assert retry(now, 10_000) == now + timedelta(hours=2)


def test_a_retry_puts_the_next_days_refresh_off_by_nothing() -> None:
    assert retry(at("2024-03-02 00:30"), 6) == at("2024-03-02 00:40")


def test_a_day_is_expected_65_minutes_after_its_end() -> None:
    assert expected_through(at("2024-03-02 01:04:59")) == at("2024-03-01 00:00")
    assert expected_through(at("2024-03-02 01:05:00")) == at("2024-03-02 00:00")
