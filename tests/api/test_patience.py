"""Clients that keep the server waiting: for their headers, or by taking nothing of what it sends."""

from __future__ import annotations

import socket
import threading
import time

import psycopg
import pytest

from graphql_api import patience
from tests.api.markets import load, walk
from tests.api.serving import Api, serves, wait_for
from tests.api.sockets import opened
from tests.conftest import Database

WHOLE = b"/export/candles.json?symbol=BIG-USD&last=ALL&interval=MINUTE"
ALIVE = b"GET /healthz HTTP/1.1\r\nhost: x\r\n"


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "HEAD_SECONDS", 0.3)


def connected(api: Api) -> socket.socket:
    url = api.http.base_url
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # what it takes without reading
    client.connect((url.host, url.port))
    client.settimeout(60)
    return client


def is_closed_while_dripping(client: socket.socket) -> bool:
    """Send a byte now and then, as slow headers come, until the other end has closed."""
    client.settimeout(0.05)
    began = time.monotonic()
    while time.monotonic() - began < 60:
        try:
            client.sendall(b"a")
            if client.recv(1000) == b"":
                return True
        except TimeoutError:
            continue
        except OSError:
            return True
    return False


@pytest.mark.parametrize("begun", [b"", b"GET", ALIVE + b"x-slow: "], ids=["nothing", "a word", "a header"])
def test_headers_that_drip_are_not_waited_for(days: Api, hurried: None, begun: bytes) -> None:
    with connected(days) as client:
        client.sendall(begun)
        assert is_closed_while_dripping(client)


def test_a_connections_next_headers_are_not_waited_for_either(days: Api, hurried: None) -> None:
    with connected(days) as client:
        for _ in range(2):
            client.sendall(ALIVE + b"\r\n")
            answer = b""
            while not answer.endswith(b'"up"}'):
                answer += client.recv(1000)
            time.sleep(2 * patience.HEAD_SECONDS)  # idle is not slow
        client.sendall(ALIVE)
        assert is_closed_while_dripping(client)


def test_who_waits_for_an_answer_or_for_news_is_not_taken_for_slow(
    days: Api, plain: Database, hurried: None
) -> None:
    with opened(days) as news, psycopg.connect(plain.url) as locking:
        locking.execute("LOCK TABLE candle_day, candle IN ACCESS EXCLUSIVE MODE")
        unlock = threading.Timer(4 * patience.HEAD_SECONDS, locking.rollback)
        unlock.start()
        candles = 'market(symbol: "DAY-USD") { candles(range: {lastDays: 2}) { columns { close } } }'
        assert days.ask(f"{{ {candles} }}")["market"]["candles"]["columns"]["close"] == [19, 20]
        unlock.join()
        assert news.is_silent()


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="this system gives up on nobody")
def test_who_takes_nothing_of_an_export_holds_no_connection(
    days: Api, plain: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "UNTAKEN_SECONDS", 1)
    load(plain.url, "BIG-USD", walk("2023-11-01", "2023-12-01", 1), "bitstamp")
    with connected(days) as client:
        client.sendall(b"GET " + WHOLE + b" HTTP/1.1\r\nhost: x\r\n\r\n")
        wait_for(lambda: serves(days, client))
        wait_for(lambda: not serves(days, client))
