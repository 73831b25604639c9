"""When the daily refresh is due: pure arithmetic of UTC instants, by the times of `btcql.rhythm`."""

from __future__ import annotations

from datetime import datetime, timedelta

from btcql.rhythm import OVERDUE, REFRESH

_DAY = timedelta(days=1)
_FIRST_RETRY = timedelta(minutes=5)
_LONGEST_RETRY = timedelta(hours=2)


def last_due(now: datetime) -> datetime:
    """Return the newest time of a refresh that is not after `now`."""
    due = _midnight(now) + REFRESH
    return due if due <= now else due - _DAY


def next_due(now: datetime) -> datetime:
    """Return the first time of a refresh after `now`."""
    return last_due(now) + _DAY


def retry(now: datetime, failures: int) -> datetime:
    """Return when to try again after `failures` failures: in 5 minutes, in twice as long each time.

    At the latest in 2 hours, and the next day's refresh is not put off by it.
    """
    pause = min(_FIRST_RETRY * (1 << min(failures - 1, 10)), _LONGEST_RETRY)
    return min(now + pause, next_due(now))


def expected_through(now: datetime) -> datetime:
    """Return up to when bars have to be there by `now`: the newest end of a day whose bars are overdue."""
    return _midnight(now - OVERDUE)


def _midnight(instant: datetime) -> datetime:
    return instant.replace(hour=0, minute=0, second=0, microsecond=0)
