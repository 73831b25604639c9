"""Closed days read from a real database of every edition, and a forecast from them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from database.connection import Connection, connected
from database.forecasts import read_daily_bars, write_vintage
from database.writers import MonthLoad, load_month, refresh_aggregates
from ml.frame import DailyBars
from ml.vintage import issue
from tests.conftest import Database
from tests.ml.markets import COLUMNS, last_day, made_bars

SYMBOL = "BTC-USD"
LATER = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    with connected(database.url, autocommit=True) as opened:
        yield opened


def load_bars(
    connection: Connection, bars: DailyBars, complete_through: datetime, symbol: str = SYMBOL
) -> None:
    """Load the bars month by month, each said to be complete through the same instant."""
    table = pa.table(
        {
            "ts": pa.array(bars.day.astype("datetime64[us]")).cast(pa.timestamp("us", "UTC")),
            **{name: getattr(bars, name) for name in COLUMNS},
            "minutes": pa.array([1440] * len(bars), pa.int16()),
        }
    )
    months = bars.day.astype("datetime64[M]")
    for month in np.unique(months):
        first = month.astype("datetime64[D]").item()
        part = table.filter(pa.array(months == month))
        load_month(connection, MonthLoad(symbol, first, part, ["test"], [], "sha", complete_through))
    refresh_aggregates(connection)


def midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def test_the_bars_that_were_loaded_come_back_to_the_last_bit(connection: Connection) -> None:
    bars = made_bars(31)
    load_bars(connection, bars, midnight(last_day(bars)) + timedelta(1))
    load_bars(connection, made_bars(31, seed=8), LATER, "ETH-USD")
    columns = read_daily_bars(connection, SYMBOL, date(2030, 1, 1), LATER)
    assert DailyBars.of(*columns).data_hash() == bars.data_hash()


def test_a_market_without_bars_gives_empty_columns(connection: Connection) -> None:
    columns = read_daily_bars(connection, SYMBOL, date(2024, 1, 1), LATER)
    assert columns.day == columns.close == []
    assert len(DailyBars.of(*columns)) == 0


@pytest.mark.parametrize(
    ("through", "complete_through", "now", "last"),
    [
        pytest.param(date(2015, 1, 20), LATER, LATER, date(2015, 1, 20), id="no later than asked"),
        pytest.param(
            date(2016, 1, 1),
            datetime(2015, 1, 31, 13, tzinfo=UTC),
            LATER,
            date(2015, 1, 30),
            id="a day half loaded",
        ),
        pytest.param(
            date(2016, 1, 1),
            datetime(2015, 2, 1, tzinfo=UTC),
            LATER,
            date(2015, 1, 31),
            id="a day just loaded",
        ),
        pytest.param(
            date(2016, 1, 1),
            LATER,
            datetime(2015, 2, 1, 0, 34, tzinfo=UTC),
            date(2015, 1, 30),
            id="not yet settled",
        ),
        pytest.param(
            date(2016, 1, 1),
            LATER,
            datetime(2015, 2, 1, 0, 35, tzinfo=UTC),
            date(2015, 1, 31),
            id="just settled",
        ),
    ],
)
@pytest.mark.parametrize("zone", ["UTC", "America/New_York"])
def test_only_closed_days_are_read(
    connection: Connection, zone: str, through: date, complete_through: datetime, now: datetime, last: date
) -> None:
    load_bars(connection, made_bars(31), complete_through)
    connection.execute("SELECT set_config('TimeZone', %s, false)", [zone])
    days = read_daily_bars(connection, SYMBOL, through, now).day
    assert days == [date(2015, 1, 1) + timedelta(n) for n in range((last - date(2015, 1, 1)).days + 1)]


def test_from_loaded_bars_to_a_stored_forecast(connection: Connection) -> None:
    bars = made_bars(450)
    load_bars(connection, bars, LATER)
    based_on = last_day(bars) - timedelta(10)
    read = DailyBars.of(*read_daily_bars(connection, SYMBOL, based_on, LATER))
    vintage = issue(read, based_on)
    assert vintage == issue(bars, based_on)
    assert write_vintage(connection, SYMBOL, vintage, LATER)
    assert not write_vintage(connection, SYMBOL, vintage, LATER)
    stored = connection.execute("SELECT prices FROM forecast_point ORDER BY horizon").fetchall()
    assert [tuple(prices) for (prices,) in stored] == [point.prices for point in vintage.points]
