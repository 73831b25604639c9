"""Subscriptions through real WebSockets: what comes, in which order, and after what happened in between."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime

import pandas as pd
import psycopg
import pytest
from gql import Client, gql
from gql.transport.websockets import WebsocketsTransport

from database.connection import connected
from database.writers import load_month, refresh_aggregates, remove_market
from tests.api.markets import issue_forecast, load
from tests.api.serving import Api, Clock, listens, serving, wait_for
from tests.api.sockets import DAYS, NOW, address, opened, until
from tests.bars import month_bars, month_load
from tests.conftest import Database

FORECASTS = 'subscription { forecastIssued(symbol: "DAY-USD"%s) { basedOn issuedAt points { horizon } } }'


def test_each_bar_comes_once_and_in_order_as_it_is_loaded(days: Api, plain: Database) -> None:
    with opened(days) as first, opened(days) as second:
        first.subscribe(DAYS % "")
        second.subscribe(DAYS % ', after: "2023-12-18T00:00:00Z"')
        assert [second.bar() for _ in range(2)] == [("2023-12-19", 19), ("2023-12-20", 20)]
        assert first.is_silent()
        load(plain.url, "DAY-USD", until(22).drop(pd.Timestamp("2023-12-21", tz="UTC")), "bitstamp")
        assert first.bar() == second.bar() == ("2023-12-22", 22)
        load(plain.url, "DAY-USD", until(25), "bitstamp")
        expected = [("2023-12-23", 23), ("2023-12-24", 24), ("2023-12-25", 25)]
        assert [first.bar() for _ in range(3)] == [second.bar() for _ in range(3)] == expected
        load(plain.url, "DAY-USD", until(24), "bitstamp")
        load(plain.url, "DAY-USD", until(25), "bitstamp")
        load(plain.url, "DAY-USD", until(26), "bitstamp")
        assert first.bar() == second.bar() == ("2023-12-26", 26), "what was sent is not sent again"


def test_real_bars_that_end_before_the_made_up_ones_are_followed_all_the_same(plain: Database) -> None:
    load(plain.url, "DAY-USD", until(28), "synthetic")
    with serving(plain.url, lambda: NOW) as api, opened(api) as socket:
        socket.subscribe(DAYS % "")
        assert socket.is_silent()
        with connected(plain.url) as connection:
            remove_market(connection, "DAY-USD")
        heard = None
        for day in range(20, 28):  # it may be some days before the first is known to be another market's
            load(plain.url, "DAY-USD", until(day), "bitstamp")
            with suppress(TimeoutError):
                heard = socket.receive(seconds=5)["payload"]["data"]["barClosed"]
                break
        assert heard is not None
        assert heard["close"] == int(heard["start"][8:10]) <= day < 28


def test_a_forecast_comes_as_it_is_issued(days: Api, plain: Database) -> None:
    def issue(day: int, version: str = "1") -> None:
        at = datetime(2023, 12, day + 1, 1, tzinfo=UTC)
        issue_forecast(plain.url, "DAY-USD", date(2023, 12, day), at, version)

    issue(15)
    issue(16)
    with opened(days) as first, opened(days) as second:
        first.subscribe(FORECASTS % "")
        second.subscribe(FORECASTS % ', after: "2023-12-16T01:00:00Z"')
        assert second.next()["forecastIssued"]["basedOn"] == "2023-12-16"
        assert first.is_silent()
        issue(17)
        for socket in (first, second):
            found = socket.next()["forecastIssued"]
            assert (found["basedOn"], found["issuedAt"]) == ("2023-12-17", "2023-12-18T01:00:00Z")
            assert [point["horizon"] for point in found["points"]] == list(range(1, 16))


def test_nothing_is_missed_while_nobody_listens(days: Api, plain: Database) -> None:
    with opened(days) as socket, psycopg.connect(plain.url, autocommit=True) as admin:
        socket.subscribe(DAYS % "")
        assert socket.is_silent()
        for day in (21, 22, 23):
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name LIKE 'btcql-api%' AND datname = current_database()"
            )
            load(plain.url, "DAY-USD", until(day), "bitstamp")
            assert socket.bar() == (f"2023-12-{day}", day)


def test_a_client_goes_on_with_another_server_where_it_stopped(plain: Database) -> None:
    load(plain.url, "DAY-USD", until(20), "bitstamp")
    with serving(plain.url, lambda: NOW) as api, opened(api) as socket:
        socket.subscribe(DAYS % ', after: "2023-12-19T00:00:00Z"')
        last, _ = socket.bar()
    assert last == "2023-12-20"
    load(plain.url, "DAY-USD", until(22), "bitstamp")
    with serving(plain.url, lambda: NOW) as api, opened(api) as socket:
        socket.subscribe(DAYS % f', after: "{last}T00:00:00Z"')
        assert [socket.bar() for _ in range(2)] == [("2023-12-21", 21), ("2023-12-22", 22)]


def test_a_day_that_the_clock_completes_comes_without_a_load(plain: Database) -> None:
    load(plain.url, "DAY-USD", until(30), "bitstamp")
    clock = Clock(datetime(2023, 12, 31, 0, 34, 59, 500_000, tzinfo=UTC))
    with serving(plain.url, clock) as api, opened(api) as socket:
        socket.subscribe(DAYS % ', after: "2023-12-28T00:00:00Z"')
        assert socket.bar() == ("2023-12-29", 29)
        clock.pass_by(seconds=1)
        assert socket.bar() == ("2023-12-30", 30)


def test_bars_wait_for_the_refresh_of_their_aggregates(database: Database) -> None:
    march = date(2024, 3, 1)

    def load_days(days: int) -> None:
        bars = month_bars(march, 24 * days)
        through = datetime(2024, 3, 1 + days, tzinfo=UTC)
        own_load = replace(month_load(bars, march, f"{days}"), complete_through=through)
        with connected(database.url, autocommit=True) as own:
            load_month(own, own_load)

    def refresh() -> None:
        with connected(database.url, autocommit=True) as own:
            refresh_aggregates(own)

    load_days(2)
    refresh()
    with serving(database.url, lambda: datetime(2024, 3, 20, tzinfo=UTC)) as api, opened(api) as socket:
        listens(api)
        socket.subscribe("subscription { barClosed { start observed } }")
        assert socket.is_silent()
        load_days(4)
        if database.edition == "community":
            wait_for(
                lambda: (
                    api.ask("{ market { freshness { dataThrough } } }")["market"]["freshness"]["dataThrough"]
                    == "2024-03-05T00:00:00Z"
                )
            )
            assert socket.is_silent()
        refresh()
        found = [socket.next()["barClosed"] for _ in range(2)]
    assert found == [{"start": f"2024-03-0{day}T00:00:00Z", "observed": 24} for day in (3, 4)]


def test_pythons_gql_subscribes(days: Api, plain: Database) -> None:
    async def body() -> list[str]:
        transport = WebsocketsTransport(url=address(days), subprotocols=["graphql-transport-ws"])
        found = []
        async with Client(transport=transport) as session:
            asked = gql(DAYS % ', after: "2023-12-19T00:00:00Z"')
            async for answer in session.subscribe(asked):
                found.append(answer["barClosed"]["start"])
                if len(found) == 2:
                    break
                await asyncio.to_thread(load, plain.url, "DAY-USD", until(21), "bitstamp")
        return found

    assert asyncio.run(body()) == ["2023-12-20T00:00:00Z", "2023-12-21T00:00:00Z"]


_NODE = """
const { createClient } = require("graphql-ws");
const client = createClient({ url: process.argv[1], webSocketImpl: require("ws"), retryAttempts: 50 });
const query = process.argv[2];
let seen = 0;
client.subscribe({ query }, {
    next: (value) => { console.log(value.data.barClosed.start); if (++seen === 2) { client.dispose(); } },
    error: (error) => { console.error(error); process.exit(1); },
    complete: () => process.exit(0),
});
"""


def test_npms_graphql_ws_subscribes(days: Api, plain: Database) -> None:
    node = shutil.which("node")
    probe = [node or "node", "-e", "require('graphql-ws'); require('ws')"]
    if node is None or subprocess.run(probe, capture_output=True, env=os.environ, check=False).returncode:
        pytest.skip("npm's graphql-ws and ws are not on NODE_PATH")
    query = DAYS % ', after: "2023-12-19T00:00:00Z"'
    with subprocess.Popen(
        [node, "-e", _NODE, address(days), query], stdout=subprocess.PIPE, text=True, env=os.environ
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "2023-12-20T00:00:00Z"
        load(plain.url, "DAY-USD", until(21), "bitstamp")
        assert process.stdout.readline().strip() == "2023-12-21T00:00:00Z"
        assert process.wait(60) == 0
