"""Loads and refreshes side by side: no bar is lost, and nobody waits for ever."""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import date

import psycopg
import pytest

from database.connection import Connection, connected
from database.writers import (
    LoadResult,
    MonthLoad,
    aggregates_are_fresh,
    load_month,
    refresh_aggregates,
    remove_market,
)
from tests.bars import month_bars, month_load
from tests.conftest import Database
from tests.database.test_writers import load, rows

MONTHS = [date(2024, number, 1) for number in range(1, 7)]
JANUARY, FEBRUARY = MONTHS[:2]
SYMBOLS = ("BTC-USD", "ETH-USD", "XRP-USD")
WAITS = (
    "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND wait_event = '{}'"
    " AND datname = current_database()"
)
MARKING = (
    "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'INSERT INTO load%' AND state = 'active'"
    " AND datname = current_database()"
)
SUMS = (
    "SELECT (SELECT count(*) FROM candle), (SELECT sum(observed) FROM candle_1h),"
    " (SELECT sum(observed) FROM candle_1d)"
)


def wait_for_waiting(url: str, *futures: Future[int], at: str = "advisory") -> None:
    """Wait until the server shows each of the futures waiting for a lock."""
    deadline = time.monotonic() + 60
    while rows(url, WAITS.format(at)) != [(len(futures),)]:
        assert not any(future.done() for future in futures)
        assert time.monotonic() < deadline
        time.sleep(0.01)


def refresh(url: str) -> int:
    with connected(url, autocommit=True) as connection:
        return refresh_aggregates(connection)


def make_chunk(url: str) -> None:
    """Load 48 bars of January: a transaction that makes a chunk keeps others from making one."""
    load(url, month_load(month_bars(JANUARY, 48), JANUARY, "a", symbol="XRP-USD"))


def load_january(connection: Connection, symbol: str) -> LoadResult:
    return load_month(connection, month_load(month_bars(JANUARY, 100), JANUARY, "a", symbol=symbol))


def test_a_refresh_waits_for_the_loads_under_way_and_has_their_bars(database: Database) -> None:
    make_chunk(database.url)
    with ThreadPoolExecutor(1) as pool, connected(database.url, autocommit=True) as loading:
        with loading.transaction():
            load_january(loading, "ETH-USD")
            with connected(database.url, autocommit=True) as other:
                load_january(other, "BTC-USD")
            refreshing = pool.submit(refresh, database.url)
            wait_for_waiting(database.url, refreshing)
        refreshing.result(60)
    assert rows(database.url, SUMS) == [(248, 248, 248)]


def test_a_refresh_that_may_not_wait_leaves_its_days_to_the_next(database: Database) -> None:
    make_chunk(database.url)
    with (
        connected(database.url, autocommit=True) as loading,
        connected(database.url, autocommit=True) as other,
    ):
        with loading.transaction():
            load_january(loading, "ETH-USD")
            load_january(other, "BTC-USD")
            assert refresh_aggregates(other, wait=False) == 0
            assert aggregates_are_fresh(other) == (database.edition != "community")
        refresh_aggregates(other, wait=False)
        assert aggregates_are_fresh(other)
    assert rows(database.url, SUMS) == [(248, 248, 248)]


def test_loads_and_removals_wait_for_a_refresh(database: Database) -> None:
    make_chunk(database.url)

    def remove(symbol: str) -> int:
        with connected(database.url, autocommit=True) as connection:
            return remove_market(connection, symbol)

    def load_one(symbol: str) -> int:
        with connected(database.url, autocommit=True) as connection:
            return load_january(connection, symbol).written

    with ThreadPoolExecutor(2) as pool, connected(database.url, autocommit=True) as refreshing:
        refreshing.execute("SELECT pg_advisory_lock(hashtextextended('btcql.refresh', 0))")
        waiting = pool.submit(load_one, "BTC-USD"), pool.submit(remove, "XRP-USD")
        wait_for_waiting(database.url, *waiting)
        refreshing.execute("SELECT pg_advisory_unlock_all()")
        assert [future.result(60) for future in waiting] == [100, 48]


def test_new_months_are_loaded_beside_each_other(database: Database) -> None:
    # each needs a chunk that is not there yet
    months = [month_load(month_bars(month, 24), month, "a") for month in (JANUARY, MONTHS[5])]

    def load_one(month: MonthLoad) -> int:
        with connected(database.url, autocommit=True) as connection:
            return load_month(connection, month).written

    with ThreadPoolExecutor(2) as pool, psycopg.connect(database.url) as holder:
        holder.execute("LOCK load IN EXCLUSIVE MODE")
        loading = [pool.submit(load_one, month) for month in months]
        wait_for_waiting(database.url, *loading, at="relation")
        assert rows(database.url, MARKING) == [(2,)], "both have copied their bars"
        holder.rollback()
        assert [future.result(60) for future in loading] == [24, 24]
    refresh(database.url)
    assert rows(database.url, SUMS) == [(48, 48, 48)]


def test_two_months_in_one_transaction_and_a_waiting_refresh_end(database: Database) -> None:
    def load_february(symbol: str) -> int:
        month = month_load(month_bars(FEBRUARY, 24), FEBRUARY, "a", symbol=symbol)
        with connected(database.url, autocommit=True) as connection:
            return load_month(connection, month).written

    make_chunk(database.url)
    with ThreadPoolExecutor(2) as pool, connected(database.url, autocommit=True) as loading:
        with loading.transaction():
            load_january(loading, "BTC-USD")
            refreshing = pool.submit(refresh, database.url)
            wait_for_waiting(database.url, refreshing)
            other = pool.submit(load_february, "BTC-USD")
            wait_for_waiting(database.url, refreshing, other)
            month = month_load(month_bars(FEBRUARY, 24), FEBRUARY, "a")
            assert load_month(loading, month).written == 24
        assert other.result(60) == 0
        refreshing.result(60)
    assert refresh(database.url) == 0
    assert rows(database.url, SUMS) == [(172, 172, 172)]


@pytest.mark.parametrize("wait", [True, False], ids=["each refreshed", "refreshed when nobody loads"])
def test_markets_loaded_over_the_same_days_at_once_lose_no_bar(database: Database, wait: bool) -> None:
    bars = {month: month_bars(month, 1500, minutes=1) for month in MONTHS}

    def load_market(number: int) -> None:
        symbol = SYMBOLS[number % len(SYMBOLS)]
        with connected(database.url, autocommit=True) as connection:
            # two loaders of each market, from either end
            for month in MONTHS if number < len(SYMBOLS) else reversed(MONTHS):
                load_month(connection, month_load(bars[month], month, "a", symbol=symbol))
                refresh_aggregates(connection, wait=wait)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(load_market, range(6)))
    refresh(database.url)
    assert rows(database.url, SUMS) == [(27_000, 27_000, 27_000)]
    counts = rows(database.url, "SELECT symbol, sum(observed) FROM candle_1d GROUP BY 1 ORDER BY 1")
    assert counts == [(symbol, 9000) for symbol in SYMBOLS]
