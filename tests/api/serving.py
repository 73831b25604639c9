"""A real API on a real socket, and how tests ask it."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import httpx
import psutil
import uvicorn

from btcql.settings import Settings
from database.address import with_role
from database.roles import READER
from graphql_api.app import create_app
from graphql_api.http import Http
from graphql_api.tracing import Tracing
from graphql_api.transport import MAX_MESSAGE
from tests.api.markets import NOW

# Most tests ask more in a minute than a stranger may.
UNLIMITED = Settings(anonymous_rate_text="unlimited")


@dataclass(frozen=True)
class Api:
    """A running API."""

    http: httpx.Client

    def post(self, query: str, **variables: Any) -> httpx.Response:
        return self.http.post("/graphql", json={"query": query, "variables": variables})

    def ask(self, query: str, **variables: Any) -> Any:
        """Return the data of an answer without errors."""
        body = self.post(query, **variables).json()
        assert "errors" not in body, body["errors"]
        return body["data"]

    def market(self, selection: str, symbol: str = "BTC-USD") -> Any:
        """Return what is selected of a market."""
        return self.ask(f'{{ market(symbol: "{symbol}") {{ {selection} }} }}')["market"]

    def refused(self, selection: str, symbol: str = "BTC-USD") -> Any:
        """Return the one error of what is selected of a market."""
        return self.error(f'{{ market(symbol: "{symbol}") {{ {selection} }} }}')

    def error(self, query: str, **variables: Any) -> Any:
        """Return the one error of an answer."""
        (error,) = self.post(query, **variables).json()["errors"]
        return error


@dataclass
class Clock:
    """A clock that is set by hand."""

    now: datetime

    def __call__(self) -> datetime:
        return self.now

    def pass_by(self, **lengths: int) -> None:
        self.now += timedelta(**lengths)


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> float:
    """Wait until the condition holds, and return how long that took."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds
        time.sleep(0.05)
    return time.monotonic() - began


def serves(api: Api, client: socket.socket) -> bool:
    """Return whether the server still has its end of a client's connection."""
    here, there = client.getsockname(), api.http.base_url.port
    found = psutil.Process().net_connections("tcp")
    return any(end.laddr.port == there and end.raddr == here for end in found)


def listens(api: Api) -> None:
    """Wait until the API follows the data's versions: before that nobody may keep an answer unasked."""
    spaces = count()

    def knows() -> bool:
        response = api.http.get("/graphql", params={"query": "{ __typename }" + " " * next(spaces)})
        return response.headers["cache-control"] == "public, max-age=3600"

    wait_for(knows)


@contextmanager
def serving(
    url: str,
    clock: Callable[[], datetime] = lambda: NOW,
    settings: Settings | None = None,
    tracing: Tracing | None = None,
    primary_url: str | None = None,
) -> Iterator[Api]:
    """Serve the database at `url` to the reader, by uvicorn on a port of its own."""
    app = create_app(settings or UNLIMITED, with_role(url, READER), clock, tracing, primary_url)
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            http=Http,
            log_level="warning",
            lifespan="on",
            proxy_headers=False,
            ws_max_size=MAX_MESSAGE,
        )
    )
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
        thread.start()
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.005)
        host, port = listening.getsockname()
        try:
            with httpx.Client(base_url=f"http://{host}:{port}", timeout=60) as client:
                yield Api(client)
        finally:
            server.should_exit = True
            thread.join(30)
            assert not thread.is_alive(), "the server does not end"
