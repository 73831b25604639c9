from __future__ import annotations

from datetime import UTC, datetime

import psycopg

from tests.api.markets import load, numbered, walk
from tests.api.serving import Api, serving
from tests.conftest import Database


def test_markets_are_listed_by_symbol(api: Api) -> None:
    markets = api.ask("{ markets { symbol } }")["markets"]
    symbols = [market["symbol"] for market in markets]
    assert symbols == ["BTC-USD", "DAY-USD", "FAKE-USD", "GAP-USD", "NEW-USD"]


def test_a_market_says_what_it_is_and_where_its_bars_come_from(api: Api) -> None:
    assert api.market("symbol base quote sources synthetic") == {
        "symbol": "BTC-USD",
        "base": "BTC",
        "quote": "USD",
        "sources": ["bitstamp", "file:archive"],
        "synthetic": False,
    }
    assert api.market("sources synthetic", "FAKE-USD") == {"sources": ["synthetic"], "synthetic": True}


def test_freshness_tells_how_far_the_data_reach_and_whether_a_refresh_is_overdue(api: Api) -> None:
    fields = "freshness { firstBar dataThrough ageSeconds stale nextRefreshAt }"
    assert api.market(fields)["freshness"] == {
        "firstBar": "2023-01-01T00:00:00Z",
        "dataThrough": "2024-01-11T12:30:00Z",
        "ageSeconds": 296,
        "stale": False,
        "nextRefreshAt": None,
    }
    assert api.market(fields, "FAKE-USD")["freshness"]["stale"] is True


def test_the_server_says_what_it_runs_on(api: Api, edition: str) -> None:
    server = api.ask("{ server { version database timescaledb edition continuousAggregates } }")["server"]
    assert server["edition"] == edition
    assert server["database"].startswith("PostgreSQL 1")
    assert (server["timescaledb"] is None) == (edition == "plain")
    assert server["continuousAggregates"] == (edition == "community")


def test_an_unknown_market_is_named_with_those_that_exist(api: Api) -> None:
    error = api.refused("symbol", "ETH-USD")
    assert error["extensions"]["code"] == "MARKET_NOT_FOUND"
    assert "'ETH-USD' has no data" in error["message"]
    assert "BTC-USD, DAY-USD" in error["message"]
    assert error["path"] == ["market"]


def test_a_symbol_of_another_form_is_told_the_form(api: Api) -> None:
    error = api.refused("symbol", "btcusd")
    assert error["extensions"]["code"] == "MARKET_NOT_FOUND"
    assert "'btcusd' is not of the form BASE-QUOTE" in error["message"]


def test_a_market_without_a_complete_day_moves_over_its_minutes(api: Api) -> None:
    fields = "resolved { from to interval clamped } open close"
    bars = walk("2024-01-11T07:13", "2024-01-11T12:30", 1)
    for asked in ("last: WEEK", "last: ALL", 'days: {from: "2024-01-11", to: "2024-01-11"}'):
        movement = api.market(f"movement(range: {{{asked}}}) {{ {fields} }}", "NEW-USD")["movement"]
        assert movement == {
            "resolved": {
                "from": "2024-01-11T07:13:00Z",
                "to": "2024-01-11T12:30:00Z",
                "interval": "MINUTE",
                "clamped": asked != "last: ALL",
            },
            "open": bars["open"].iloc[0],
            "close": bars["close"].iloc[-1],
        }


def test_a_market_without_a_complete_day_has_no_days_yet(api: Api) -> None:
    found = api.market(
        "candles(range: {last: WEEK}) { points { start } coverage { expected } }"
        "movingAverage(range: {last: ALL}, window: 7) { points { start } }",
        "NEW-USD",
    )
    assert found == {"candles": {"points": [], "coverage": {"expected": 0}}, "movingAverage": {"points": []}}


def test_an_empty_database_has_no_market_and_says_so(database: Database) -> None:
    with serving(database.url) as api:
        assert api.ask("{ markets { symbol } }") == {"markets": []}
        assert "no market has been loaded yet" in api.refused("symbol")["message"]


def test_bars_are_utc_whatever_time_zone_the_database_is_set_to(database: Database) -> None:
    load(database.url, "DAY-USD", numbered("2024-03-01", 30), "bitstamp")
    with psycopg.connect(database.url, autocommit=True) as connection:
        name = connection.info.dbname
        connection.execute(f"ALTER DATABASE {name} SET timezone = 'America/New_York'".encode())
    with serving(database.url, lambda: datetime(2024, 4, 1, tzinfo=UTC)) as api:
        series = api.market(
            'weeks: candles(range: {days: {from: "2024-03-04", to: "2024-03-17"}}, interval: WEEK) '
            "{ points { start open close observed } }"
            'days: candles(range: {days: {from: "2024-03-09", to: "2024-03-11"}}) { points { start close } }',
            "DAY-USD",
        )
    assert series["weeks"]["points"] == [
        {"start": "2024-03-04T00:00:00Z", "open": 4, "close": 10, "observed": 7},
        {"start": "2024-03-11T00:00:00Z", "open": 11, "close": 17, "observed": 7},
    ]
    assert [point["close"] for point in series["days"]["points"]] == [9, 10, 11]
