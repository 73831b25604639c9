"""Bitstamp, Coinbase Exchange, Kraken and Binance on one local port, with a clock that the test winds.

Each speaks its own wire format below /<name>/, as BTCQL_EXCHANGE_URL expects. Faults are queued and met by
the next requests, in order.
"""

from __future__ import annotations

import json
import socket
import struct
import sys
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Lock, Thread
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.exchange.dialects import Question, Refused, binance, bitstamp, coinbase, kraken
from tests.exchange.market import Bar, Market

DIALECTS = {"bitstamp": bitstamp, "coinbase": coinbase, "kraken": kraken, "binance": binance}
_LONG_AGO = datetime(2011, 8, 18, tzinfo=UTC)


@dataclass(frozen=True)
class Fault:
    """What goes wrong with one answer: another status or body, its end missing, nothing, or other bars."""

    status: int = 200
    body: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    truncated: bool = False
    reset: bool = False
    hang_seconds: float = 0.0
    bend: Callable[[list[Bar]], list[Bar]] | None = None


def _listed() -> dict[str, Market]:
    names = ("BTC-USD", "BTC-EUR", "ETH-USD", "ETH-EUR", "BTC-USDT")
    return {name: Market(name[:3], name[4:], _LONG_AGO) for name in names}


@dataclass
class Exchanges:
    """The servers; all four list the same markets."""

    now: datetime
    latency_seconds: float = 0.0
    markets: dict[str, Market] = field(default_factory=_listed)
    faults: deque[Fault] = field(default_factory=deque)
    only_faulty: str = ""
    """Faults wait for requests with this in their address."""
    asked: list[str] = field(default_factory=list)
    url: str = ""
    stopping: Event = field(default_factory=Event)
    _lock: Lock = field(default_factory=Lock)

    def meet(self, fault: Fault, times: int = 1) -> None:
        """The next `times` requests meet `fault`."""
        self.faults.extend([fault] * times)

    def asked_for_bars(self) -> list[str]:
        """The addresses of the requests for bars so far."""
        return [
            path for path in self.asked if any(word in path for word in ("ohlc", "OHLC", "klines", "candles"))
        ]

    def next_fault(self, path: str) -> Fault:
        """Note a request down and return what is to go wrong with it."""
        with self._lock:
            self.asked.append(path)
            if self.faults and self.only_faulty in path:
                return self.faults.popleft()
            return Fault()

    def answer(self, path: str, fault: Fault) -> tuple[int, str]:
        """The status and the body of the answer to a request."""
        if fault.body is not None or fault.status != 200:
            return fault.status, fault.body or ""
        parts = urlsplit(path)
        _, name, rest = parts.path.split("/", 2)
        query = dict(parse_qsl(parts.query))
        reply = DIALECTS[name](rest, query, self.markets, self.now) if name in DIALECTS else None
        if isinstance(reply, Question):
            market = self.markets[reply.symbol]
            if reply.newest:
                length = reply.minutes * 60
                reply.start = max(reply.start, int(self.now.timestamp()) - reply.limit * length + 1)
            stop = min(reply.stop, int(self.now.timestamp()) + 1)  # the forming bar is given too
            bars = market.bars(reply.start, stop, reply.minutes, reply.limit)
            reply = reply.answer(fault.bend(bars) if fault.bend else bars)
        if isinstance(reply, Refused):
            return reply.status, json.dumps(reply.body)
        return (404, '{"message": "NotFound"}') if reply is None else (200, json.dumps(reply))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    exchanges: Exchanges

    def do_GET(self) -> None:
        fault = self.exchanges.next_fault(self.path)
        self.exchanges.stopping.wait(self.exchanges.latency_seconds + fault.hang_seconds)
        if fault.reset or fault.hang_seconds:
            # closing with a linger of zero sends a reset
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            return
        status, text = self.exchanges.answer(self.path, fault)
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json" if not text.startswith("<") else "text/html")
        self.send_header("Content-Length", str(len(body)))
        for name, value in fault.headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if fault.truncated else body)
        self.close_connection = fault.truncated

    def date_time_string(self, timestamp: float | None = None) -> str:
        return format_datetime(self.exchanges.now, usegmt=True)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
        """Stay silent: `asked` keeps what was asked."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):  # a client that goes away is part of the tests
            super().handle_error(request, client_address)


@contextmanager
def exchanges(now: datetime, *, latency_seconds: float = 0.0) -> Iterator[Exchanges]:
    """Serve the exchanges while the block runs; `now` is their clock's time until it is set anew."""
    served = Exchanges(now, latency_seconds)
    handler = type("Handler", (_Handler,), {"exchanges": served})
    with _Server(("127.0.0.1", 0), handler) as server:
        served.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield served
        finally:
            served.stopping.set()
            server.shutdown()
            thread.join()
