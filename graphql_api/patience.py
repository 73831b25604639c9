"""How long a connection may keep this server waiting, below what the application sees of it.

uvicorn bounds how long an idle connection is kept, and nothing else: not how slowly a request's head may
come, nor for how long a client may take nothing of what it is sent.
"""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_SECONDS = 20.0  # from a connection's beginning, or a further request's first byte, to a whole head
UNTAKEN_SECONDS = 60.0  # that bytes may wait for the client, whether the connection is being closed or not
# Longer than clients (httpx: 5 s) and proxies (nginx, load balancers: 60 s) keep idle connections: whoever
# asks closes them, and never sends a request into a connection that is being closed at the other end.
KEEP_ALIVE_SECONDS = 75
_CROWDED_KEEP_ALIVE_SECONDS = 5  # where half of the connections that there may be are taken

if TYPE_CHECKING:
    _Protocol = HttpToolsProtocol
else:
    _Protocol = asyncio.Protocol


class Patience(_Protocol):
    """What goes before uvicorn's own class of a connection."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head_timer: asyncio.TimerHandle | None = None
        self._resting_since = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        if self.limit_concurrency is not None and 2 * len(self.connections) > self.limit_concurrency:
            self.timeout_keep_alive = min(self.timeout_keep_alive, _CROWDED_KEEP_ALIVE_SECONDS)
        _let_system_give_up(transport)
        self._wait_for_head()

    def data_received(self, data: bytes) -> None:
        """Read what came, and wait for the rest of a head if it is one that has begun."""
        super().data_received(data)
        if self.is_answering:
            self._end_waiting()
        else:
            self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        self._end_waiting()
        super().connection_lost(exc)

    @property
    def is_answering(self) -> bool:
        """Whether an answer is on its way; before the first request there is nothing to answer."""
        return not getattr(self.cycle, "response_complete", True)

    def rest(self) -> None:
        """Be idle from now on, as after an answer; a timer that runs is asked then how long that was."""
        self._resting_since = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._keep_alive_for(self.timeout_keep_alive)

    def timeout_keep_alive_handler(self) -> None:
        """Close a connection that has been idle for long enough."""
        left = self._resting_since + self.timeout_keep_alive - self.loop.time()
        if left > 0:
            self._keep_alive_for(left)
        else:
            super().timeout_keep_alive_handler()

    def _keep_alive_for(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(seconds, self.timeout_keep_alive_handler)

    def _wait_for_head(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _end_waiting(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _give_up(self) -> None:
        self._head_timer = None
        if self.transport.get_protocol() is self:  # and not a WebSocket's, whose head was whole
            self.transport.close()


def _let_system_give_up(transport: asyncio.Transport) -> None:
    """Let the system end a connection whose client takes nothing: closing it would wait for them, for ever.

    Where the system cannot (it is Linux's), such connections last as long as their clients.
    """
    connected = cast("socket.socket | None", transport.get_extra_info("socket"))
    if connected is not None and connected.family != socket.AF_UNIX and hasattr(socket, "TCP_USER_TIMEOUT"):
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(UNTAKEN_SECONDS * 1000))
