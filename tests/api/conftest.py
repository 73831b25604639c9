"""One database per edition with several markets that nobody writes to, served for the whole session."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, date, datetime
from itertools import count

import pandas as pd
import pytest

from database.creation import create_database
from database.migrate import migrate
from tests.api import sockets
from tests.api.markets import issue_forecast, keep_backtest, load, mixed, numbered, walk, without
from tests.api.serving import Api, listens, serving
from tests.api.sockets import until
from tests.conftest import Database

_turns = count(1)


@pytest.fixture(scope="session")
def bars() -> pd.DataFrame:
    """The base bars of BTC-USD."""
    return mixed()


@pytest.fixture(scope="session")
def markets_url(server_url: str, edition: str, bars: pd.DataFrame) -> str:
    """The address of a database with the markets BTC-USD, DAY-USD, GAP-USD, FAKE-USD and NEW-USD."""
    # An edition may have more than one turn in a process, by what tests it is handed.
    url = create_database(server_url, f"markets_{os.getpid()}_{next(_turns)}")
    migrate(url)
    load(url, "BTC-USD", bars, "bitstamp", "file:archive")
    load(url, "DAY-USD", numbered("2023-12-01", 41), "bitstamp")
    load(url, "GAP-USD", without(numbered("2023-12-01", 41), "2023-12-10", "2023-12-12"), "bitstamp")
    load(url, "FAKE-USD", numbered("2020-01-01", 40), "synthetic")
    load(url, "NEW-USD", walk("2024-01-11T07:13", "2024-01-11T12:30", 1), "bitstamp")
    issue_forecast(url, "BTC-USD", date(2023, 12, 20), datetime(2023, 12, 21, 1, tzinfo=UTC), days=10)
    issue_forecast(url, "BTC-USD", date(2024, 1, 5), datetime(2024, 1, 6, 1, tzinfo=UTC))
    issue_forecast(url, "BTC-USD", date(2024, 1, 5), datetime(2024, 1, 10, 1, tzinfo=UTC), "2")
    for day, ratio in ((8, 0.5), (10, 0.98), (9, 0.6)):
        keep_backtest(url, "BTC-USD", "2", ratio, datetime(2024, 1, day, tzinfo=UTC))
    return url


@pytest.fixture(scope="session")
def api(markets_url: str) -> Iterator[Api]:
    """The API over them; its clock stands at 2024-01-11T12:34:56Z."""
    with serving(markets_url) as running:
        listens(running)
        yield running


@pytest.fixture
def days(plain: Database) -> Iterator[Api]:
    """The API over `plain` with the market DAY-USD of twenty days; its clock stands at sockets.NOW."""
    load(plain.url, "DAY-USD", until(20), "bitstamp")
    with serving(plain.url, lambda: sockets.NOW) as running:
        listens(running)
        yield running
