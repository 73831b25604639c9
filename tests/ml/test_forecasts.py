"""Vintages in a real database of every edition."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import psycopg
import pytest

from btcql.errors import DatabaseError
from btcql.vintages import BacktestRecord, ForecastPoint, ModelCard, Vintage
from database.connection import Connection, connected
from database.forecasts import find_vintage, write_backtest, write_vintage
from database.writers import remove_market
from tests.conftest import Database

SYMBOL = "BTC-USD"
LATER = datetime(2030, 1, 1, tzinfo=UTC)


def a_vintage(
    based_on: date = date(2024, 3, 10), *, name: str = "a model", version: str = "1", data_hash: str = "abc"
) -> Vintage:
    points = tuple(
        ForecastPoint(h, based_on + timedelta(days=h), (99.0 - h, 0.1 + 0.2 + 100, 101.0 + h)) for h in (1, 2)
    )
    model = ModelCard(
        name=name,
        version=version,
        trained_from=date(2023, 1, 1),
        trained_through=based_on,
        data_hash=data_hash,
        parameters={"eta": 0.05, "quantile_alpha": [0.1, 0.5, 0.9]},
        libraries={"xgboost": "3.2.0"},
    )
    return Vintage(based_on, 100.0, (0.1, 0.5, 0.9), points, model)


def find(connection: Connection, vintage: Vintage, symbol: str = SYMBOL) -> bool:
    model = vintage.model
    return find_vintage(connection, symbol, vintage.based_on, model.data_hash, model.name, model.version)


def in_time(vintage: Vintage) -> datetime:
    return datetime(
        vintage.based_on.year, vintage.based_on.month, vintage.based_on.day, tzinfo=UTC
    ) + timedelta(1)


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    with connected(database.url, autocommit=True) as opened:
        yield opened


def test_a_vintage_is_written_whole_and_found(connection: Connection) -> None:
    vintage = a_vintage()
    assert not find(connection, vintage)
    assert write_vintage(connection, SYMBOL, vintage, in_time(vintage))
    assert find(connection, vintage)
    row = connection.execute(
        "SELECT symbol, based_on, issued_at, retrospective, last_close, probabilities, name, version, "
        "trained_from, trained_through, data_hash, parameters, libraries "
        "FROM forecast JOIN forecast_model USING (symbol, model_id)"
    ).fetchall()
    model = vintage.model
    identity = (SYMBOL, vintage.based_on, in_time(vintage), False, 100.0, [0.1, 0.5, 0.9], "a model", "1")
    trained = (model.trained_from, model.trained_through, "abc")
    assert row == [(*identity, *trained, dict(model.parameters), dict(model.libraries))]
    points = connection.execute("SELECT horizon, day, prices FROM forecast_point ORDER BY horizon").fetchall()
    assert points == [(p.horizon, p.day, list(p.prices)) for p in vintage.points], "to the last bit"


def test_the_same_again_adds_nothing(connection: Connection) -> None:
    vintage = a_vintage()
    write_vintage(connection, SYMBOL, vintage, in_time(vintage))
    before = everything(connection)
    assert not write_vintage(connection, SYMBOL, vintage, LATER)
    assert everything(connection) == before


def everything(connection: Connection) -> list[list[tuple[object, ...]]]:
    return [
        connection.execute(statement).fetchall()
        for statement in (
            "TABLE forecast_model ORDER BY 1",
            "TABLE forecast ORDER BY 1",
            "TABLE forecast_point ORDER BY 1, 2",
        )
    ]


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(a_vintage(date(2024, 3, 11)), id="another day"),
        pytest.param(a_vintage(data_hash="abd"), id="other data"),
        pytest.param(a_vintage(version="2"), id="another version"),
        pytest.param(a_vintage(name="another model"), id="another model"),
    ],
)
def test_another_forecast_is_added_beside_it(connection: Connection, other: Vintage) -> None:
    write_vintage(connection, SYMBOL, a_vintage(), LATER)
    assert not find(connection, other)
    assert write_vintage(connection, SYMBOL, other, LATER)
    assert find(connection, other)
    assert find(connection, a_vintage())


def test_another_market_has_its_own(connection: Connection) -> None:
    assert write_vintage(connection, SYMBOL, a_vintage(), LATER)
    assert not find(connection, a_vintage(), "ETH-USD")
    assert write_vintage(connection, "ETH-USD", a_vintage(), LATER)


@pytest.mark.parametrize(
    ("issued_at", "retrospective"),
    [
        (datetime(2024, 3, 11, 0, 35, tzinfo=UTC), False),
        (datetime(2024, 3, 13, tzinfo=UTC), False),
        (datetime(2024, 3, 13, 0, 0, 1, tzinfo=UTC), True),
    ],
    ids=["the same night", "two days after the day's end", "later than that"],
)
def test_a_forecast_issued_late_says_so(
    connection: Connection, issued_at: datetime, *, retrospective: bool
) -> None:
    write_vintage(connection, SYMBOL, a_vintage(), issued_at)
    assert connection.execute("SELECT retrospective FROM forecast").fetchone() == (retrospective,)


def test_two_writers_at_once_add_one(database: Database) -> None:
    start, added = threading.Barrier(4), []

    def write() -> None:
        with connected(database.url) as own:
            start.wait()
            added.append(write_vintage(own, SYMBOL, a_vintage(), LATER))

    writers = [threading.Thread(target=write) for _ in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert sorted(added) == [False, False, False, True]


def test_a_vintage_that_the_tables_refuse_leaves_nothing_behind(database: Database) -> None:
    broken = replace(a_vintage(), points=(ForecastPoint(1, date(2024, 3, 11), (1.0,)),) * 2)
    with pytest.raises(DatabaseError, match="duplicate key"), connected(database.url, autocommit=True) as own:
        write_vintage(own, SYMBOL, broken, LATER)
    with connected(database.url) as own:
        assert everything(own) == [[], [], []]
        assert write_vintage(own, SYMBOL, a_vintage(), LATER), "the way is free for a sound one"


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE forecast SET last_close = 1",
        "UPDATE forecast_point SET horizon = 9",
        "UPDATE forecast_model SET name = ''",
    ],
)
def test_an_issued_vintage_cannot_be_changed(connection: Connection, change: str) -> None:
    write_vintage(connection, SYMBOL, a_vintage(), LATER)
    with pytest.raises(psycopg.errors.RaiseException, match="never changed"):
        connection.execute(change.encode())


def test_listeners_hear_of_a_vintage_that_was_added(database: Database, connection: Connection) -> None:
    connection.execute("LISTEN btcql_change")
    with connected(database.url) as own:
        write_vintage(own, SYMBOL, a_vintage(), LATER)
        write_vintage(own, SYMBOL, a_vintage(), LATER)
    heard = [json.loads(notice.payload) for notice in connection.notifies(timeout=0.5)]
    assert heard == [{"symbol": SYMBOL, "version": 1, "kind": "forecast"}]


def test_a_removed_market_takes_its_backtests_with_it(connection: Connection) -> None:
    for symbol in (SYMBOL, "ETH-USD"):
        record = BacktestRecord(
            7, 1, 1, 0, 1, 0, 1, date(2023, 1, 1), date(2023, 2, 1), "a model", "1", "abc"
        )
        write_backtest(connection, symbol, record, LATER)
    remove_market(connection, SYMBOL)
    assert connection.execute("SELECT symbol, origins FROM forecast_backtest").fetchall() == [("ETH-USD", 7)]


def test_a_backtest_of_shares_beyond_one_is_refused(database: Database) -> None:
    record = BacktestRecord(7, 1, 1, 1.5, 1, 0, 1, date(2023, 1, 1), date(2023, 2, 1), "a model", "1", "abc")
    with pytest.raises(DatabaseError, match="coverage80"), connected(database.url, autocommit=True) as own:
        write_backtest(own, SYMBOL, record, LATER)
