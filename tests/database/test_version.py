"""The data's version, and hearing of it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, date, datetime

import psycopg
import pyarrow as pa
import pytest

from btcql.errors import DatabaseError
from database.connection import Connection, connected
from database.listener import Change, DataState, Listener
from database.queries import query
from database.rebuild import create_beside, take_name
from database.writers import load_month, refresh_aggregates, remove_market
from tests.api.markets import issue_forecast
from tests.bars import month_bars, month_load
from tests.conftest import Database

MARCH, APRIL = date(2024, 3, 1), date(2024, 4, 1)


def version(connection: Connection) -> int:
    row = connection.execute(query("fetch_version")).fetchone()
    assert row is not None
    return int(row[0])


def test_every_change_is_a_version_and_is_told_once_it_is_committed(database: Database) -> None:
    load = month_load(month_bars(MARCH, 100), MARCH, "a")
    corrected = replace(load, bars=load.bars.slice(0, 90), input_sha256="b")
    community = database.edition == "community"
    refreshed = ["aggregates"] if community else []
    with connected(database.url, autocommit=True) as own, connected(database.url, autocommit=True) as other:
        other.execute(query("listen_to_changes"))
        first = version(other)
        load_month(own, load)
        state = other.execute(query("fetch_state")).fetchone()
        assert state == (first + 1, not community), "not settled until the aggregates are refreshed"
        refresh_aggregates(own)
        load_month(own, corrected)
        refresh_aggregates(own)
        load_month(own, corrected)
        refresh_aggregates(own)
        issue_forecast(database.url, "BTC-USD", date(2024, 3, 4), datetime(2024, 3, 5, tzinfo=UTC))
        remove_market(own, "BTC-USD")
        refresh_aggregates(own)
        kinds = ["load", *refreshed, "load", *refreshed, "forecast", "removal", *refreshed]
        assert other.execute(query("fetch_state")).fetchone() == (first + len(kinds), True)
        heard = [notice.payload for notice in other.notifies(timeout=0.2)]
    assert heard == [
        f'{{"symbol" : "BTC-USD", "version" : {number}, "kind" : "{kind}"}}'
        for number, kind in enumerate(kinds, start=1)
    ]


def test_a_load_that_fails_is_no_version(database: Database) -> None:
    frame = month_bars(MARCH, 50).to_pandas()
    frame.loc[49, "close"] = float("nan")
    broken = month_load(pa.Table.from_pandas(frame, schema=month_bars(MARCH, 1).schema), MARCH, "a")
    with connected(database.url, autocommit=True) as connection:
        before = version(connection)
        with pytest.raises(DatabaseError), connected(database.url, autocommit=True) as own:
            load_month(own, broken)
        assert version(connection) == before


def test_a_version_has_one_content(database: Database) -> None:
    """Seen by one statement at a time, while two months are loaded and corrected beside each other."""
    seen: set[tuple[int, float, int]] = set()
    done = threading.Event()

    def correct(month: date) -> None:
        with connected(database.url, autocommit=True) as own:
            for attempt in range(12):
                bars = month_bars(month, 10 + attempt, minutes=1440)
                load_month(own, month_load(bars, month, f"{attempt}"))

    def look() -> None:
        with connected(database.url, autocommit=True) as own:
            while not done.is_set():
                row = own.execute(
                    "SELECT (SELECT sum(version)::bigint FROM data_version), (SELECT sum(close) FROM candle),"
                    " (SELECT sum(rows) FROM load)"
                ).fetchone()
                assert row is not None
                seen.add(tuple(row))

    looking = threading.Thread(target=look)
    writing = [threading.Thread(target=correct, args=[month]) for month in (MARCH, APRIL)]
    looking.start()
    for thread in writing:
        thread.start()
    for thread in writing:
        thread.join()
    done.set()
    looking.join()
    assert len(seen) > 1
    assert len({row[0] for row in seen}) == len(seen)
    with connected(database.url) as connection:
        row = connection.execute("SELECT sum(version) FROM data_version WHERE symbol <> ''").fetchone()
        assert row == (24,)


def test_a_database_made_anew_counts_from_elsewhere(database: Database) -> None:
    with connected(database.url) as old:
        before = version(old)
    create_beside(database.url)
    take_name(database.url, lambda: None)
    with connected(database.url) as new:
        assert version(new) != before


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - of what others do, without an event
            await asyncio.sleep(0.01)


async def _listening(listener: Listener, body: Callable[[list[Change]], Awaitable[None]]) -> None:
    heard: list[Change] = []
    running = asyncio.create_task(listener.run())
    with listener.follow(heard.append):
        try:
            await body(heard)
        finally:
            running.cancel()


def test_a_listener_hears_of_changes_and_of_what_it_may_have_missed(database: Database) -> None:
    listener = Listener(database.reader_url)

    async def body(heard: list[Change]) -> None:
        await _until(lambda: listener.state is not None)
        assert heard == [Change(None, "reconnected")]
        first = listener.state
        assert first is not None
        issue_forecast(database.url, "BTC-USD", date(2024, 3, 4), datetime(2024, 3, 5, tzinfo=UTC))
        await _until(lambda: listener.state == DataState(first.version + 1, True))
        assert heard.pop() == Change("BTC-USD", "forecast")
        heard.clear()
        with psycopg.connect(database.url, autocommit=True) as admin:
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = 'btcql-api-listener' AND datname = current_database()"
            )
            admin.execute("UPDATE data_version SET version = version + 1 WHERE symbol = 'BTC-USD'")
        await _until(lambda: listener.state == DataState(first.version + 2, True))
        assert Change(None, "reconnected") in heard

    asyncio.run(_listening(listener, body))


def test_a_listener_finds_by_itself_what_nobody_told_it(database: Database) -> None:
    listener = Listener(database.reader_url, poll_seconds=0.05)

    async def body(heard: list[Change]) -> None:
        await _until(lambda: listener.state is not None)
        with psycopg.connect(database.url, autocommit=True) as admin:
            admin.execute("UPDATE data_version SET version = version + 1")
            await _until(lambda: Change(None, "polled") in heard)
            admin.execute("NOTIFY btcql_change, 'hello'")
            await _until(lambda: Change(None, "unknown") in heard)

    asyncio.run(_listening(listener, body))


def test_a_listener_without_a_database_says_so(database: Database) -> None:
    listener = Listener(database.reader_url.replace("btcql_reader", "nobody_of_that_name"))

    async def body(heard: list[Change]) -> None:
        await _until(lambda: listener.is_down)
        assert (listener.state, heard) == (None, [])

    asyncio.run(_listening(listener, body))
