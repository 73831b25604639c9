"""What the clock does to a day after its end, at midnight UTC: all times of the daily refresh, from one.

00:35 its bars are final; 00:40 to 00:50 the refresh begins that loads them; 01:05 they are overdue.
"""

from __future__ import annotations

from datetime import timedelta

SETTLING = timedelta(minutes=35)  # until its last bars are final: exchanges correct them for a while
REFRESH = SETTLING + timedelta(minutes=5)  # until the daily refresh may begin
JITTER = timedelta(minutes=10)  # within which it does: not everybody asks an exchange in the same second
OVERDUE = REFRESH + timedelta(minutes=25)  # until its bars should have come, or the market is stale


def clock(after_midnight: timedelta) -> str:
    """Return the time of day as a clock shows it: 00:40."""
    hours, minutes = divmod(after_midnight // timedelta(minutes=1), 60)
    return f"{hours:02}:{minutes:02}"


REFRESHED = f"each day between {clock(REFRESH)} and {clock(REFRESH + JITTER)} UTC"
