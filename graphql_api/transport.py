"""The protocol graphql-transport-ws: one client's connection, with a few operations at a time.

Whoever does not take what is sent to them is cut: they come back, and say what they had last.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import orjson
from starlette.websockets import WebSocket, WebSocketDisconnect

PROTOCOL = "graphql-transport-ws"
MAX_OPERATIONS = 20  # of a connection, at a time
_INIT_SECONDS = 10.0
SEND_SECONDS = 20.0  # how long a client may let what is sent to it wait
_CLOSE_SECONDS = 1.0
MAX_MESSAGE = 1_000_000  # bytes

# The protocol's codes of a connection's end, and 1013 of RFC 6455.
BAD_REQUEST, UNAUTHORIZED, FORBIDDEN, NO_PROTOCOL = 4400, 4401, 4403, 4406
INIT_TIMEOUT, ALREADY_THERE, TOO_MANY_INITS = 4408, 4409, 4429
TRY_AGAIN = 1013

logger = logging.getLogger("btcql.api")

Message = dict[str, Any]
# Runs one operation to its end: its client's, what it asks, and how its answers are sent.
Run = Callable[["Connection", str, Message], Awaitable[None]]


class ClosedError(Exception):
    """Why a connection is closed; `code` is the protocol's."""

    def __init__(self, code: int, reason: str) -> None:
        self.code = code
        super().__init__(reason)


class Connection:
    """One client's connection; `identify` takes the payload of its first message and may refuse it."""

    def __init__(self, socket: WebSocket, identify: Callable[[Message], Awaitable[None]], run: Run) -> None:
        self._socket, self._identify, self._run = socket, identify, run
        self._operations: dict[str, asyncio.Task[None]] = {}
        self._excess: set[str] = set()
        self._cut: asyncio.Future[ClosedError] = asyncio.get_running_loop().create_future()

    async def serve(self) -> None:
        """Speak with the client until either leaves; its operations end with it."""
        reading = asyncio.create_task(self._read())
        self._cut.add_done_callback(lambda _: reading.cancel())
        try:
            await asyncio.wait([reading])
            if self._cut.done():
                raise self._cut.result()
            await reading
        except ClosedError as closed:
            await self._close(closed.code, str(closed))
        except WebSocketDisconnect:
            pass
        finally:
            running = [reading, *self._operations.values()]
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def _read(self) -> None:
        await self._begin()
        while True:
            await self._take(await self._receive())

    async def send(self, kind: str, operation: str | None = None, payload: bytes | None = None) -> None:
        """Send a message, its payload JSON already.

        Raises WebSocketDisconnect when the client is gone, ClosedError when it does not take what is sent.
        """
        message: dict[str, Any] = {"type": kind}
        if operation is not None:
            message["id"] = operation
        if payload is not None:
            message["payload"] = orjson.Fragment(payload)
        try:
            async with asyncio.timeout(SEND_SECONDS):
                await self._socket.send_text(orjson.dumps(message).decode())
        except TimeoutError:
            raise ClosedError(TRY_AGAIN, "what was sent is not taken") from None
        except RuntimeError as error:  # starlette's, of a socket that was closed meanwhile
            raise WebSocketDisconnect from error

    def cut(self, why: ClosedError) -> None:
        """End the connection, whatever it is doing."""
        if not self._cut.done():
            logger.warning("a subscriber was cut: %s", why)
            self._cut.set_result(why)

    async def _begin(self) -> None:
        try:
            async with asyncio.timeout(_INIT_SECONDS):
                message = await self._receive()
                while message["type"] in {"ping", "pong"}:
                    await self._take(message)
                    message = await self._receive()
        except TimeoutError:
            raise ClosedError(INIT_TIMEOUT, "Connection initialisation timeout") from None
        if message["type"] != "connection_init":
            raise ClosedError(UNAUTHORIZED, "Unauthorized")
        payload = message.get("payload")
        await self._identify(payload if isinstance(payload, dict) else {})
        await self.send("connection_ack")

    async def _take(self, message: Message) -> None:
        kind = message["type"]
        if kind == "ping":
            await self.send("pong")
        elif kind == "subscribe":
            self._subscribe(message)
        elif kind == "complete":
            operation = _id_of(message)
            task = self._operations.pop(operation, None)
            self._excess.discard(operation)
            if task is not None:
                task.cancel()
        elif kind == "connection_init":
            raise ClosedError(TOO_MANY_INITS, "Too many initialisation requests")
        elif kind != "pong":
            raise ClosedError(BAD_REQUEST, f"a message of type {kind!r} is not of {PROTOCOL}"[:100])

    def _subscribe(self, message: Message) -> None:
        operation, payload = _id_of(message), message.get("payload")
        if not isinstance(payload, dict):
            raise ClosedError(BAD_REQUEST, "`payload` must be an object with a `query`")
        if operation in self._operations:
            raise ClosedError(ALREADY_THERE, f"Subscriber for {operation} already exists"[:100])
        if len(self._operations) >= 2 * MAX_OPERATIONS:  # those that are being refused, too
            raise ClosedError(TRY_AGAIN, "too many operations at a time")
        if len(self._operations) - len(self._excess) >= MAX_OPERATIONS:
            self._excess.add(operation)
        task = asyncio.create_task(self._operate(operation, payload))
        self._operations[operation] = task

    async def _operate(self, operation: str, payload: Message) -> None:
        task = asyncio.current_task()
        try:
            await self._run(self, operation, payload)
        except ClosedError as closed:
            self.cut(closed)
        except WebSocketDisconnect:
            pass  # the connection's own reading finds it out
        finally:
            if self._operations.get(operation) is task:
                del self._operations[operation]
                self._excess.discard(operation)

    def is_excess(self, operation: str) -> bool:
        """Return whether the connection had as many operations as it may when this one came."""
        return operation in self._excess

    async def _receive(self) -> Message:
        text = await self._socket.receive()
        if text["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(text.get("code") or 1000)
        body = text.get("text")
        try:
            message = orjson.loads(body if body is not None and len(body) <= MAX_MESSAGE else "")
        except orjson.JSONDecodeError:
            message = None
        if not isinstance(message, dict) or not isinstance(message.get("type"), str):
            raise ClosedError(BAD_REQUEST, "a message must be a JSON object with a `type`")
        return message

    async def _close(self, code: int, reason: str) -> None:
        # RuntimeError is starlette's, of a socket that is closed already; a stuck client cannot be told
        with suppress(RuntimeError, TimeoutError):
            async with asyncio.timeout(_CLOSE_SECONDS):
                await self._socket.close(code, reason)


def _id_of(message: Message) -> str:
    operation = message.get("id")
    if not isinstance(operation, str) or not operation:
        raise ClosedError(BAD_REQUEST, "`id` must be a string that is not empty")
    return operation
