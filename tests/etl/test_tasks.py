"""What the tasks say of themselves to Luigi."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from datetime import date

import luigi
import pytest

from database.connection import connected
from database.writers import read_markers
from etl.fetching import FetchMonth, RecheckMonth
from etl.landing import LandFile, LandSample
from etl.task import places, session
from etl.tasks import LoadMonth, PrepareMonth, RefreshAggregates, RemoveSample
from ml.tasks import IssueForecast
from tests.api.markets import load, numbered
from tests.conftest import fresh_database

TASKS = (
    LandFile,
    LandSample,
    FetchMonth,
    RecheckMonth,
    RemoveSample,
    PrepareMonth,
    LoadMonth,
    RefreshAggregates,
    IssueForecast,
)


def test_months_of_long_ago_are_complete_all_at_once(start_server: Callable[[str], str]) -> None:
    with fresh_database(start_server("plain"), "plain") as database, closing(session(database.url)):
        load(database.url, "BTC-USD", numbered("2012-01-01", 100), "bitstamp")
        with connected(database.url) as connection:
            markers = read_markers(connection, "BTC-USD")
        where = places("lake", database.url, "work")
        months = [date(2012, month, 1) for month in range(1, 7)]
        tasks = [
            LoadMonth(**where, symbol="BTC-USD", month=month, input_sha256=markers.get(month, "none"))
            for month in months
        ]
        corrected = LoadMonth(**where, symbol="BTC-USD", month=months[0], input_sha256="of other bars")
        values = [
            tuple(getattr(task, name) for name, _ in LoadMonth.get_params()) for task in [*tasks, corrected]
        ]
        assert LoadMonth.bulk_complete(values) == values[:4]
        assert [task.complete() for task in [*tasks, corrected]] == [True] * 4 + [False] * 3


@pytest.mark.parametrize("task", TASKS, ids=lambda task: str(task.__name__))
def test_a_task_and_what_the_visualiser_shows_of_it_are_described(task: type[luigi.Task]) -> None:
    assert task.__doc__
    shown = {name: parameter for name, parameter in task.get_params() if parameter.significant}
    assert shown
    assert [name for name, parameter in shown.items() if not parameter.description] == []
