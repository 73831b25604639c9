"""A client that speaks HTTP in bytes, and decides which of them go out in one packet."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.api.serving import Api

CLOSES = 'query Closes { market(symbol: "DAY-USD") { candles(range: {lastDays: 2}) { points { close } } } }'


def request(query: str = CLOSES, *headers: str, body: bytes | None = None) -> bytes:
    """Return the bytes of a POST."""
    content = json.dumps({"query": query}).encode() if body is None else body
    lines = ["POST /graphql HTTP/1.1", "host: x", "content-type: application/json", *headers]
    return "\r\n".join([*lines, f"content-length: {len(content)}", "", ""]).encode() + content


@dataclass
class Answer:
    status: int
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def lasting(self) -> list[tuple[str, str]]:
        """The headers that are the same on every answer to the same request."""
        return sorted(header for header in self.headers if header[0] not in {"date", "x-request-id"})

    def header(self, name: str) -> str:
        (value,) = [value for found, value in self.headers if found == name]
        return value

    def closes(self) -> list[float]:
        points = json.loads(self.body)["data"]["market"]["candles"]["points"]
        return [point["close"] for point in points]


class Line:
    """One connection, spoken to in bytes; each `send` is one packet."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket, self._unread = connection, b""

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def ask(self, data: bytes) -> Answer:
        self.send(data)
        return self.receive()

    def receive(self) -> Answer:
        while b"\r\n\r\n" not in self._unread:
            self._more()
        head, _, self._unread = self._unread.partition(b"\r\n\r\n")
        status, *lines = head.decode().split("\r\n")
        headers = [(name, value) for name, _, value in (line.partition(": ") for line in lines)]
        answer = Answer(int(status.split()[1]), headers, b"")
        size = int(answer.header("content-length"))
        while len(self._unread) < size:
            self._more()
        answer.body, self._unread = self._unread[:size], self._unread[size:]
        return answer

    def is_closed(self) -> bool:
        return self._socket.recv(1) == b""

    def _more(self) -> None:
        received = self._socket.recv(65_536)
        assert received, "closed in the middle of an answer"
        self._unread += received


@contextmanager
def line(api: Api) -> Iterator[Line]:
    with socket.create_connection((api.http.base_url.host, api.http.base_url.port or 0), 60) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield Line(connection)
