"""Who takes nothing of what is sent to them is cut, and their operations end."""

from __future__ import annotations

import asyncio
import json
from typing import Any, cast

import psutil
import pytest
from starlette.websockets import WebSocket

from graphql_api import patience, transport
from graphql_api.transport import TRY_AGAIN, Connection, Message
from tests.api.markets import load, walk
from tests.api.serving import Api, serves, wait_for
from tests.api.sockets import opened
from tests.conftest import Database


class Stuck:
    """A socket that takes the acknowledgement and nothing more, as one whose buffers are full."""

    def __init__(self) -> None:
        self.code = 0
        asked = [{"type": "connection_init"}, {"type": "subscribe", "id": "1", "payload": {}}]
        self._messages = [json.dumps(message) for message in asked]

    async def receive(self) -> dict[str, Any]:
        if not self._messages:
            await asyncio.Event().wait()
        return {"type": "websocket.receive", "text": self._messages.pop(0)}

    async def send_text(self, text: str) -> None:
        if json.loads(text)["type"] != "connection_ack":
            await asyncio.Event().wait()

    async def close(self, code: int, reason: str) -> None:
        self.code = code


def test_who_takes_nothing_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "SEND_SECONDS", 0.05)
    ended = []

    async def identify(payload: Message) -> None:
        assert payload == {}

    async def run(connection: Connection, operation: str, payload: Message) -> None:
        try:
            await connection.send("next", operation, b"{}")
        finally:
            ended.append(operation)

    async def body() -> int:
        socket = Stuck()
        async with asyncio.timeout(60):
            await Connection(cast("WebSocket", socket), identify, run).serve()
        return socket.code

    assert asyncio.run(body()) == TRY_AGAIN
    assert ended == ["1"]


def test_a_real_client_that_reads_nothing_is_cut_and_fills_no_memory(
    days: Api, plain: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "SEND_SECONDS", 0.5)
    monkeypatch.setattr(patience, "UNTAKEN_SECONDS", 1)
    load(plain.url, "BIG-USD", walk("2023-12-01", "2023-12-03", 1), "bitstamp")
    repeated = " ".join(f"{'a' * 90}{number}: start" for number in range(25))  # 3 kB a bar, 2,880 bars
    after = 'after: "2023-12-01T00:00:00Z"'
    query = f'subscription {{ barClosed(symbol: "BIG-USD", interval: MINUTE, {after}) {{ {repeated} }} }}'
    process = psutil.Process()
    with opened(days, buffer=4096) as socket:
        before = process.memory_info().rss
        for operation in range(5):
            socket.subscribe(query, f"{operation}")
        wait_for(lambda: not serves(days, socket.connection.socket), 200)
        assert process.memory_info().rss - before < 30_000_000, "of the 43 MB that were asked for"
