"""What is known of a market is remembered with the data's version, and never outlives it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from database.connection import connected
from database.pool import Pool
from database.readers.bars import fetch_bars
from tests.api.markets import load, numbered
from tests.api.serving import UNLIMITED, Api, listens, serving, wait_for
from tests.conftest import Database

UNCACHED = replace(UNLIMITED, cache_text="0")
LAST = "candles(range: {lastDays: 1}) { points { start close } }"
SERIES = [
    (LAST, "fetch_bars"),
    ("movingAverage(range: {lastDays: 2}, window: 2) { points { value } }", "fetch_closes"),
    ("price { value }", "fetch_price"),
]


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of what is read from the database from now on."""
    names: list[str] = []
    run = Pool.run

    async def noting(self: Pool, reader: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        names.append(reader.__name__)
        return await run(self, reader, *args, **kwargs)

    monkeypatch.setattr(Pool, "run", noting)
    return names


def last_close(api: Api) -> float:
    ((point,),) = [api.market(LAST, "DAY-USD")["candles"]["points"]]
    return float(point["close"])


@pytest.mark.parametrize(("asked", "reader"), SERIES)
def test_a_series_of_a_known_market_takes_one_journey_to_the_database(
    plain: Database, read: list[str], asked: str, reader: str
) -> None:
    load(plain.url, "DAY-USD", numbered("2023-12-01", 30), "bitstamp")
    with serving(plain.url, settings=UNCACHED) as api:
        listens(api)
        first = api.market(asked, "DAY-USD")
        read.clear()
        assert api.market(asked, "DAY-USD") == first
        assert read == [reader]


def test_a_load_is_seen_as_soon_as_it_is_told_of(plain: Database) -> None:
    load(plain.url, "DAY-USD", numbered("2023-12-01", 30), "bitstamp")
    with serving(plain.url, settings=UNCACHED) as api:
        listens(api)
        assert [last_close(api), last_close(api)] == [30, 30]
        load(plain.url, "DAY-USD", numbered("2023-12-01", 31), "bitstamp")
        wait_for(lambda: last_close(api) == 31)


def test_an_answer_of_two_versions_is_made_anew_of_one(
    plain: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(plain.url, "DAY-USD", numbered("2023-12-01", 30), "bitstamp")
    with serving(plain.url, settings=UNCACHED) as api:
        listens(api)
        assert last_close(api) == 30
        run = Pool.run

        async def racing(self: Pool, reader: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
            # what is remembered is of before this load, what is read of after it
            monkeypatch.setattr(Pool, "run", run)
            load(plain.url, "DAY-USD", numbered("2023-12-01", 31), "bitstamp")
            return await run(self, reader, *args, **kwargs)

        monkeypatch.setattr(Pool, "run", racing)
        assert last_close(api) == 31


def test_an_answer_is_of_one_state_of_the_aggregates_while_they_are_refreshed(
    plain: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On TimescaleDB Community they change by transactions of their own, before the version does."""
    load(plain.url, "DAY-USD", numbered("2023-12-01", 30), "bitstamp")
    with serving(plain.url, settings=UNCACHED) as api, connected(plain.url, autocommit=True) as writer:
        listens(api)
        assert last_close(api) == 30
        writer.execute("INSERT INTO aggregate_refresh (from_day, to_day) VALUES ('2023-12-01', '2024-01-01')")
        writer.execute('SELECT pg_notify(\'btcql_change\', \'{"symbol": "DAY-USD", "kind": "load"}\')')
        # which nobody may keep unasked for one reason alone: that there is something to be refreshed
        anything = {"query": "{ __typename }"}
        wait_for(
            lambda: api.http.get("/graphql", params=anything).headers["cache-control"] == "public, no-cache"
        )
        run, reads = Pool.run, iter(range(1, 100))

        async def refreshing(self: Pool, reader: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
            if reader is fetch_bars and next(reads) == 2:
                writer.execute("UPDATE candle_day SET close = 99")
            return await run(self, reader, *args, **kwargs)

        monkeypatch.setattr(Pool, "run", refreshing)
        found = api.market(f"a: {LAST} b: {LAST}", "DAY-USD")
        assert found["a"] == found["b"]
        assert next(reads) > 2, "it was between the two that they changed"
