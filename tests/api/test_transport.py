"""The protocol graphql-transport-ws, and what it refuses."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.api.markets import load, walk
from tests.api.serving import UNLIMITED, Api, serving
from tests.api.sockets import DAYS, NOW, address, opened, until
from tests.conftest import Database


def test_what_cannot_be_subscribed_to_is_said_of_it_alone(days: Api, plain: Database) -> None:
    load(plain.url, "MIN-USD", walk("2023-12-01", "2023-12-09", 1), "bitstamp")
    minutes = 'symbol: "MIN-USD", interval: MINUTE, after: "2023-12-01T00:00:00Z"'
    refused = {
        'subscription { barClosed(symbol: "NO-USD") { start } }': "MARKET_NOT_FOUND",
        f"subscription {{ barClosed({minutes}) {{ start }} }}": "RANGE_TOO_LARGE",
        "subscription { barClosed { nothing } }": "BAD_USER_INPUT",
        "subscription { barClosed { start } forecastIssued { basedOn } }": "BAD_USER_INPUT",
        "subscription {": "BAD_USER_INPUT",
        "": "BAD_USER_INPUT",
    }
    with opened(days) as client:
        client.subscribe(DAYS % ', after: "2023-12-19T00:00:00Z"', "good")
        assert client.bar() == ("2023-12-20", 20)
        for number, (query, code) in enumerate(refused.items()):
            client.subscribe(query, f"{number}")
            assert client.error(f"{number}") == code, query
        load(plain.url, "DAY-USD", until(21), "bitstamp")
        assert client.bar() == ("2023-12-21", 21)
    error = days.error("subscription { barClosed { start } }")
    assert "WebSocket" in error["message"]


def test_a_query_may_come_the_same_way(days: Api) -> None:
    with opened(days) as client:
        client.subscribe('{ market(symbol: "DAY-USD") { base } }', "q")
        assert client.receive() == {
            "type": "next",
            "id": "q",
            "payload": {"data": {"market": {"base": "DAY"}}},
        }
        assert client.receive() == {"type": "complete", "id": "q"}
        client.subscribe("{ market(symbol: 1) { base } }", "w")
        assert client.error("w") == "BAD_USER_INPUT"


def test_a_completed_operation_is_over_and_its_id_is_free(days: Api, plain: Database) -> None:
    with opened(days) as client:
        client.subscribe(DAYS % ', after: "2023-12-19T00:00:00Z"')
        assert client.bar() == ("2023-12-20", 20)
        client.send("complete", id="1")
        client.subscribe("{ __typename }")
        assert client.next() == {"__typename": "Query"}
        assert client.receive()["type"] == "complete"
        load(plain.url, "DAY-USD", until(21), "bitstamp")
        assert client.is_silent()


def test_a_connection_has_so_many_operations(days: Api) -> None:
    with opened(days) as client:
        for number in range(20):
            client.subscribe(DAYS % "", f"{number}")
        client.subscribe(DAYS % "", "more")
        assert client.error("more") == "RATE_LIMITED"
        client.send("complete", id="7")
        client.subscribe("{ __typename }", "again")
        assert client.next() == {"__typename": "Query"}


INIT = '{"type": "connection_init"}'
SUBSCRIBE = json.dumps({"type": "subscribe", "id": "1", "payload": {"query": DAYS % ""}})


@pytest.mark.parametrize(
    ("messages", "code"),
    [
        ([SUBSCRIBE], 4401),
        ([INIT, INIT], 4429),
        ([INIT, SUBSCRIBE, SUBSCRIBE], 4409),
        ([INIT, "{"], 4400),
        ([INIT, "[]"], 4400),
        ([INIT, '{"type": "nonsense"}'], 4400),
        ([INIT, '{"type": "subscribe", "payload": {}}'], 4400),
        ([INIT, '{"type": "subscribe", "id": "1", "payload": 1}'], 4400),
        (['{"type": "connection_init", "payload": {"apiKey": "wrong"}}'], 4403),
        (['{"type": "connection_init", "payload": {"Authorization": "Bearer wrong"}}'], 4403),
        ([INIT, f'{{"type": "{"x" * 1_000_001}"}}'], 1009),
    ],
)
def test_who_breaks_the_protocol_is_told_so_by_its_codes(days: Api, messages: list[str], code: int) -> None:
    with opened(days, {}) as client:
        for message in messages:
            client.connection.send(message)
        while True:
            try:
                client.connection.recv(timeout=60)
            except ConnectionClosed:
                break
        assert client.connection.close_code == code


def test_another_protocol_is_not_spoken(days: Api) -> None:
    with connect(address(days)) as connection, pytest.raises(ConnectionClosed):
        connection.recv(timeout=60)
    assert connection.close_code == 4406


def test_who_may_not_subscribe_is_refused(plain: Database) -> None:
    load(plain.url, "DAY-USD", until(20), "bitstamp")
    settings = replace(UNLIMITED, anonymous_scopes_text="prices")
    with serving(plain.url, lambda: NOW, settings) as api, opened(api) as client:
        client.subscribe(DAYS % "")
        assert client.error("1") == "FORBIDDEN"
        client.subscribe('{ market(symbol: "DAY-USD") { price { value } } }', "2")
        assert client.next() == {"market": {"price": {"value": 20}}}
