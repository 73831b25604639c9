"""A client of graphql-transport-ws, message by message, and a market of days to subscribe to."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.api.markets import numbered
from tests.api.serving import Api

DAYS = 'subscription { barClosed(symbol: "DAY-USD"%s) { start close complete } }'
NOW = datetime(2023, 12, 31, 1, tzinfo=UTC)


class Socket:
    """A client's connection, spoken to message by message."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    def send(self, kind: str, **more: Any) -> None:
        self.connection.send(json.dumps({"type": kind, **more}))

    def receive(self, seconds: float = 60) -> Any:
        return json.loads(self.connection.recv(timeout=seconds))

    def subscribe(self, query: str, operation: str = "1") -> None:
        self.send("subscribe", id=operation, payload={"query": query})

    def next(self) -> Any:
        """Return the data of the next answer."""
        message = self.receive()
        assert message["type"] == "next", message
        assert "errors" not in message["payload"], message
        return message["payload"]["data"]

    def bar(self) -> tuple[str, float]:
        found = self.next()["barClosed"]
        assert found["complete"]
        return found["start"][:10], found["close"]

    def error(self, operation: str) -> Any:
        message = self.receive()
        assert (message["type"], message["id"]) == ("error", operation)
        (error,) = message["payload"]
        return error["extensions"]["code"]

    def is_silent(self) -> bool:
        """Return whether nothing was sent before the answer to a ping."""
        self.send("ping")
        return bool(self.receive() == {"type": "pong"})

    def end(self) -> int:
        """Return the code that the connection is closed with."""
        with pytest.raises(ConnectionClosed):
            self.connection.recv(timeout=60)
        assert self.connection.close_code is not None
        return self.connection.close_code


def address(api: Api) -> str:
    return str(api.http.base_url.join("/graphql")).replace("http", "ws", 1)


@contextmanager
def opened(api: Api, payload: dict[str, str] | None = None, buffer: int | None = None) -> Iterator[Socket]:
    """A connection; initialised, unless `payload` is given, which is for the test to send.

    buffer: bytes that its system takes before the client reads.
    """
    own = socket.socket()
    if buffer is not None:
        own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    own.connect((api.http.base_url.host, api.http.base_url.port))
    with connect(
        address(api),
        subprotocols=["graphql-transport-ws"],  # type: ignore[list-item]
        max_size=None,
        ping_interval=None,
        sock=own,
    ) as connection:
        client = Socket(connection)
        if payload is None:
            client.send("connection_init")
            assert client.receive() == {"type": "connection_ack"}
        yield client


def until(day: int) -> pd.DataFrame:
    """Return the daily bars of December up to a day, each priced by its number."""
    return numbered("2023-12-01", day)
