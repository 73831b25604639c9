"""When the daily refresh is due: pure arithmetic of UTC instants."""

from __future__ import annotations

from datetime import datetime, timedelta

# The day has ended, and exchanges have settled its last bars.
_AFTER_MIDNIGHT = timedelta(minutes=40)
_DAY = timedelta(days=1)
# So that not everybody asks an exchange in the same second.
MOST_JITTER = timedelta(minutes=10)
# After this long without a day's bars they are overdue.
_OVERDUE = timedelta(minutes=65)
_FIRST_RETRY = timedelta(minutes=5)
_LONGEST_RETRY = timedelta(hours=2)


def last_due(now: datetime) -> datetime:
    """Return the newest 00:40 that is not after `now`."""
    due = _midnight(now) + _AFTER_MIDNIGHT
    return due if due <= now else due - _DAY


def next_due(now: datetime) -> datetime:
    """Return the first 00:40 after `now`."""
    return last_due(now) + _DAY


def retry(now: datetime, failures: int) -> datetime:
    """Return when to try again after `failures` failures: in 5 minutes, in twice as long each time.

    At the latest in 2 hours, and the next day's refresh is not put off by it.
    """
    pause = min(_FIRST_RETRY * (1 << min(failures - 1, 10)), _LONGEST_RETRY)
    return min(now + pause, next_due(now))


def expected_through(now: datetime) -> datetime:
    """Return up to when bars have to be there by `now`: the newest end of a day 65 minutes ago."""
    return _midnight(now - _OVERDUE)


def _midnight(instant: datetime) -> datetime:
    return instant.replace(hour=0, minute=0, second=0, microsecond=0)
