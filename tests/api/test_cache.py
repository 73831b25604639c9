"""Answers are kept for as long as they stand, and no longer.

What is tampered with behind the version's back shows which answers are kept: those still say what was.
"""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, date, datetime

import psycopg
import pytest

from database.connection import connected
from database.queries import query
from database.version import record_change
from database.writers import load_month, refresh_aggregates
from tests.api.markets import load, numbered
from tests.api.serving import UNLIMITED, Api, Clock, listens, serving, wait_for
from tests.bars import month_bars, month_load
from tests.conftest import Database

UNCACHED = replace(UNLIMITED, cache_text="0")
LAST = '{ market(symbol: "DAY-USD") { candles(range: {lastDays: 1}) { points { start close } } } }'


def tamper(url: str, price: float) -> None:
    """Change what every read finds, without a new version."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("UPDATE candle_day SET close = %s, high = greatest(high, %s)", [price, price])


def change(url: str) -> None:
    with connected(url) as connection:
        record_change(connection, "DAY-USD", "load")


def last_close(api: Api, question: str = LAST) -> float:
    ((point,),) = [api.ask(question)["market"]["candles"]["points"]]
    return float(point["close"])


def test_an_answer_is_kept_until_the_data_change(plain: Database) -> None:
    load(plain.url, "DAY-USD", numbered("2023-12-01", 30), "bitstamp")
    with serving(plain.url) as api:
        listens(api)
        assert last_close(api) == 30
        tamper(plain.url, 500)
        assert last_close(api) == 30, "the same question"
        assert last_close(api, LAST.replace("lastDays: 1", "lastDays:  1")) == 500, "another"
        change(plain.url)
        wait_for(lambda: last_close(api) == 500)
        with serving(plain.url, settings=UNCACHED) as uncached:
            assert last_close(uncached) == 500
            tamper(plain.url, 700)
            assert last_close(uncached) == 700, "nothing is kept"


def test_a_load_reaches_the_cache_of_every_process(plain: Database) -> None:
    load(plain.url, "DAY-USD", numbered("2023-12-01", 30), "bitstamp")
    with serving(plain.url) as one, serving(plain.url) as other:
        for api in (one, other):
            listens(api)
            assert last_close(api) == 30
        tamper(plain.url, 500)
        assert [last_close(api) for api in (one, other)] == [30, 30], "each keeps its answer"
        load(plain.url, "DAY-USD", numbered("2023-12-01", 31), "bitstamp")
        for api in (one, other):
            wait_for(lambda api=api: last_close(api) == 31)  # type: ignore[misc]


def test_variables_and_operations_are_questions_of_their_own(plain: Database) -> None:
    load(plain.url, "DAY-USD", numbered("2023-12-01", 30), "bitstamp")
    load(plain.url, "ETH-USD", numbered("2023-12-01", 20), "bitstamp")
    text = (
        'query A($s: String! = "DAY-USD") { market(symbol: $s) { symbol } }'
        ' query B { market(symbol: "ETH-USD") { base } }'
    )

    def market(operation: str, **variables: str) -> dict[str, str]:
        asked = {"query": text, "operationName": operation, "variables": variables}
        found: dict[str, str] = api.http.post("/graphql", json=asked).json()["data"]["market"]
        return found

    with serving(plain.url) as api:
        for _ in range(2):
            assert market("A") == {"symbol": "DAY-USD"}
            assert market("A", s="ETH-USD") == {"symbol": "ETH-USD"}
            assert market("B") == {"base": "ETH"}


def test_errors_are_not_kept(plain: Database) -> None:
    with serving(plain.url) as api:
        listens(api)
        assert api.error(LAST)["extensions"]["code"] == "MARKET_NOT_FOUND"
        with psycopg.connect(plain.url, autocommit=True) as connection:
            connection.execute(
                "INSERT INTO load (symbol, month, sources, input_sha256, raw_objects, rows, first_ts,"
                " complete_through) VALUES ('DAY-USD', '2023-12-01', '{x}', '', '[]', 1, '2023-12-01Z',"
                " '2023-12-02Z')"
            )
        assert api.ask(LAST)["market"]["candles"]["points"][0]["close"] is None


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [
        ("price { value ageSeconds }", 1),
        ("freshness { nextRefreshAt }", 0),
        ("candles(range: {lastDays: 2}) { points { close } }", None),
    ],
)
def test_what_follows_the_clock_is_made_anew_in_time(
    plain: Database, asked: str, seconds: int | None
) -> None:
    load(plain.url, "DAY-USD", numbered("2023-12-01", 30), "bitstamp")  # through 2023-12-30
    clock = Clock(datetime(2023, 12, 31, 0, 10, tzinfo=UTC))
    with serving(plain.url, clock) as api:
        listens(api)
        first = api.market(asked, "DAY-USD")
        with psycopg.connect(plain.url, autocommit=True) as connection:
            connection.execute("INSERT INTO pipeline_plan VALUES ('DAY-USD', '2024-01-01Z', 0)")
        if seconds != 0:
            assert api.market(asked, "DAY-USD") == first
        if seconds is not None:
            clock.pass_by(seconds=seconds)
            assert api.market(asked, "DAY-USD") != first
        else:
            clock.pass_by(minutes=24, seconds=59)
            assert api.market(asked, "DAY-USD") == first
            clock.pass_by(seconds=1)
            closes = [point["close"] for point in api.market(asked, "DAY-USD")["candles"]["points"]]
            assert closes == [29, 30], "the day is complete from 00:35 on, without a load"


def is_kept_by_others(api: Api, question: str) -> bool:
    """Return whether caches may keep the answer without asking again."""
    return "no-cache" not in api.http.get("/graphql", params={"query": question}).headers["cache-control"]


def test_what_is_told_of_runs_is_not_kept_either_while_aggregates_are_refreshed(plain: Database) -> None:
    load(plain.url, "DAY-USD", numbered("2023-12-01", 30), "bitstamp")
    closed = '{ market(symbol: "DAY-USD") { price(at: "2023-12-09T00:00:00Z") { value } } }'
    with serving(plain.url) as api, psycopg.connect(plain.url, autocommit=True) as connection:
        listens(api)
        connection.execute(
            "INSERT INTO aggregate_refresh (from_day, to_day) VALUES ('2023-12-01', '2024-01-01')"
        )
        change(plain.url)
        wait_for(lambda: not is_kept_by_others(api, closed))
        assert api.market("freshness { nextRefreshAt }", "DAY-USD")["freshness"] == {"nextRefreshAt": None}
        connection.execute("INSERT INTO pipeline_plan VALUES ('DAY-USD', '2024-01-01Z', 0)")
        planned = {"nextRefreshAt": "2024-01-01T00:00:00Z"}
        assert api.market("freshness { nextRefreshAt }", "DAY-USD")["freshness"] == planned


def test_no_answer_of_before_the_aggregates_refresh_stays(database: Database) -> None:
    """On TimescaleDB Community a load and its aggregates are not of one transaction."""
    asked = '{ market { movement(range: {days: {from: "2024-03-01", to: "2024-03-02"}}) { close } } }'
    march = date(2024, 3, 1)
    clock = Clock(datetime(2024, 3, 11, tzinfo=UTC))
    with serving(database.url, clock) as api, connected(database.url, autocommit=True) as own:
        listens(api)
        for seed in (1, 2, 3):
            bars = month_bars(march, 48, seed=seed)
            load_month(own, month_load(bars, march, str(seed)))
            state = own.execute(query("fetch_state")).fetchone()
            assert state is not None
            if not state[1]:
                # until the notice arrives, answers are of the version before
                wait_for(lambda: not is_kept_by_others(api, asked))
            refresh_aggregates(own)
            close = bars["close"][-1].as_py()
            wait_for(lambda close=close: api.ask(asked)["market"]["movement"]["close"] == close)  # type: ignore[misc]


def test_every_answer_is_of_one_version_while_loads_go_on(plain: Database) -> None:
    """Each load gives every bar one price: an answer that says two of them is of two versions."""
    asked = """{ market(symbol: "DAY-USD") {
        a: candles(range: {last: ALL}) { points { close } } movement(range: {last: ALL}) { high { value } }
        price { value } b: candles(range: {last: WEEK}) { columns { low } }
    } }"""
    frame = numbered("2023-12-01", 30)
    done = threading.Event()

    def rewrite() -> None:
        for price in range(1, 1_000_000):
            priced = frame.assign(**dict.fromkeys(("open", "high", "low", "close"), float(price)))
            if done.is_set():
                return
            load(plain.url, "DAY-USD", priced.iloc[: 30 - price % 2], "bitstamp")

    load(plain.url, "DAY-USD", frame.assign(open=1.0, high=1.0, low=1.0, close=1.0), "bitstamp")
    writing = threading.Thread(target=rewrite)
    seen: list[set[float]] = []
    with serving(plain.url, settings=UNCACHED) as uncached, serving(plain.url) as cached:
        writing.start()
        try:
            while len({price for prices in seen for price in prices}) < 15:
                for api in (uncached, cached):
                    market = api.ask(asked)["market"]
                    seen.append(
                        {point["close"] for point in market["a"]["points"]}
                        | set(market["b"]["columns"]["low"])
                        | {market["movement"]["high"]["value"], market["price"]["value"]}
                    )
        finally:
            done.set()
            writing.join()
    assert {len(prices) for prices in seen} == {1}
