"""A server with its pages, over markets that look real."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pandas as pd

from database.connection import connected
from database.quality import QualityWarning, write_warnings
from database.runs import recorded
from tests.api.markets import NOW, issue_forecast, keep_backtest, load, mixed, numbered, walk, without

HOLE = QualityWarning(
    "hole",
    "coinbase",
    datetime(2023, 12, 10, tzinfo=UTC),
    datetime(2023, 12, 14, tzinfo=UTC),
    4,
    "no bars for 4 days",
)
# The clock of the server stands at NOW, 2024-01-11T12:34:56Z.
FORECASTS = (date(2023, 12, 1), date(2023, 12, 15), date(2024, 1, 5), date(2024, 1, 10))


def fill(url: str) -> None:
    """Load the markets: BTC-USD of five years, GAP-USD with a hole, LACK-USD of hours
    with four missing in a day, and FAKE-USD, which is made up."""
    load(url, "BTC-USD", pd.concat([walk("2019-01-01", "2023-01-01", 1440, 7), mixed()]), "bitstamp")
    load(url, "GAP-USD", without(numbered("2023-11-01", 71), "2023-12-10", "2023-12-14"), "coinbase")
    hourly = walk("2023-12-20", "2024-01-11", 60, 3)
    load(url, "LACK-USD", without(hourly, "2024-01-04T10:00", "2024-01-04T14:00"), "kraken")
    load(url, "FAKE-USD", numbered("2023-10-01", 90), "synthetic")
    for day in FORECASTS:
        issued_at = datetime(day.year, day.month, day.day, 1, tzinfo=UTC) + timedelta(days=1)
        issue_forecast(url, "BTC-USD", day, issued_at)
    keep_backtest(url, "BTC-USD", "1", 0.97, NOW)
    with connected(url, autocommit=True) as connection:
        write_warnings(connection, "GAP-USD", HOLE.from_at.date().replace(day=1), [HOLE])
    for market, hours in (("BTC-USD", 11), ("GAP-USD", 10)):
        times = [NOW - timedelta(hours=hours), NOW - timedelta(hours=hours) + timedelta(minutes=3)]
        with recorded(url, market, "refresh", iter([times[0], *times]).__next__) as run:
            run.rows = 1440
