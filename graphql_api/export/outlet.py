"""The way out of an export: headers once, then pieces, as fast as the client takes them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from starlette.types import Send

_PATIENCE = 30.0  # seconds that a client may take for a piece before it is taken for gone


class Outlet:
    """Sends one answer; `started`: from then on a failure can only be said by breaking it off."""

    def __init__(self, send: Send, *, is_head: bool) -> None:
        self._send, self._is_head = send, is_head
        self.started = False

    async def start(self, status: int, headers: Iterable[tuple[str, str]]) -> None:
        """Send the status and the headers."""
        encoded = [(name.encode(), value.encode("ascii", "backslashreplace")) for name, value in headers]
        self.started = True
        await self._send({"type": "http.response.start", "status": status, "headers": encoded})

    @property
    def takes_body(self) -> bool:
        """Whether the client asked for more than the headers."""
        return not self._is_head

    async def add(self, piece: bytes) -> None:
        """Send a piece; raises TimeoutError if the client does not take it."""
        async with asyncio.timeout(_PATIENCE):
            await self._send({"type": "http.response.body", "body": piece, "more_body": True})

    async def end(self) -> None:
        """Say that this is all."""
        await self._send({"type": "http.response.body"})
