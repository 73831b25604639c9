"""The WebSocket side of /graphql: the same steps as a request's, for each operation of a connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Collection
from contextlib import aclosing

import orjson
from graphql import OperationType
from starlette.websockets import WebSocket, WebSocketDisconnect

from btcql.access import ANY_ORIGIN
from btcql.errors import DatabaseUnavailableError, QueryError
from graphql_api import deadline
from graphql_api.admission import Admission
from graphql_api.answering import Answering, Found
from graphql_api.auth import MIN_COST, Client, Gate
from graphql_api.context import Context
from graphql_api.delivery import with_warning
from graphql_api.executor import Answer, DocumentError, Executor
from graphql_api.request import RefusedError, asked_by
from graphql_api.transport import (
    FORBIDDEN,
    MAX_OPERATIONS,
    NO_PROTOCOL,
    PROTOCOL,
    TRY_AGAIN,
    ClosedError,
    Connection,
    Message,
)

MAX_CONNECTIONS = 1_000
_WATCH_SECONDS = 1.0  # between looks at whether a key is still one


class Sockets:
    """All connections; each is bound to who opened it."""

    def __init__(
        self,
        gate: Gate,
        admission: Admission,
        answering: Answering,
        executor: Executor,
        new_context: Callable[[Client], Context],
        origins: Collection[str],
    ) -> None:
        self._gate, self._admission, self._answering, self._executor = gate, admission, answering, executor
        self._new_context, self._origins = new_context, origins
        self._open = 0

    async def __call__(self, socket: WebSocket) -> None:
        """Serve one connection to its end."""
        origin = socket.headers.get("origin")
        if origin is not None and ANY_ORIGIN not in self._origins and origin not in self._origins:
            await socket.close()  # before it is accepted: 403
            return
        await socket.accept(PROTOCOL if PROTOCOL in socket.scope["subprotocols"] else None)
        if PROTOCOL not in socket.scope["subprotocols"]:
            await socket.close(NO_PROTOCOL, "Subprotocol not acceptable")
            return
        if self._open >= MAX_CONNECTIONS:
            await socket.close(TRY_AGAIN, "too many connections")
            return
        self._open += 1
        client: Client | None = None
        watching: asyncio.Task[None] | None = None

        async def identify(payload: Message) -> None:
            nonlocal client, watching
            key = _key_of(payload)
            try:
                client = await self._gate.identify(socket, key)
                self._gate.charge(client, MIN_COST)
            except QueryError as error:
                raise ClosedError(FORBIDDEN, str(error)[:100]) from error
            except DatabaseUnavailableError as error:
                raise ClosedError(TRY_AGAIN, "the database does not answer just now") from error
            if client.keyed:
                watching = asyncio.create_task(self._watch(connection, socket, key))

        async def run(connection: Connection, operation: str, payload: Message) -> None:
            assert client is not None  # nothing runs before it is identified
            await self._run(connection, operation, payload, client)

        connection = Connection(socket, identify, run)
        try:
            await connection.serve()
        finally:
            self._open -= 1
            if watching is not None:
                watching.cancel()

    async def _watch(self, connection: Connection, socket: WebSocket, key: str | None) -> None:
        """Cut the connection once the key that opened it is revoked."""
        while True:
            await asyncio.sleep(_WATCH_SECONDS)
            try:
                await self._gate.identify(socket, key)
            except QueryError as error:
                if error.code == "UNAUTHENTICATED":
                    connection.cut(ClosedError(FORBIDDEN, str(error)[:100]))
                    return
            except DatabaseUnavailableError:
                pass  # nobody can say so now: the next look may tell

    async def _run(self, connection: Connection, operation: str, payload: Message, client: Client) -> None:
        """Run one operation, and send its answers as they come."""
        try:
            _check_number(connection, operation)
            async with aclosing(self._answers(payload, client)) as answers:
                async for answer in answers:
                    if isinstance(answer, Answer) and not answer.executed:
                        await connection.send("error", operation, orjson.dumps(answer.errors))
                        return
                    await connection.send("next", operation, _bytes_of(answer))
        except Exception as error:
            if isinstance(error, ClosedError | WebSocketDisconnect):
                raise
            refused = _refusal(error)
            await connection.send("error", operation, orjson.dumps(refused.errors))
        else:
            await connection.send("complete", operation)

    async def _answers(self, payload: Message, client: Client) -> AsyncGenerator[Answer | Found, None]:
        asked = asked_by(payload)
        operation, context = self._admission.admit(asked, self._new_context(client))
        if operation.node.operation is OperationType.SUBSCRIPTION:
            async with aclosing(self._executor.subscribe(operation, asked.variables, context)) as answers:
                async for answer in answers:
                    yield answer
        else:
            async with asyncio.timeout(deadline.SECONDS):
                answer_once = await self._answering.answer(operation, asked.variables, context)
            yield answer_once


def _check_number(connection: Connection, operation: str) -> None:
    if connection.is_excess(operation):
        raise QueryError(
            "RATE_LIMITED",
            f"{MAX_OPERATIONS} operations at a time are as many as a connection may have: "
            "complete one of them first",
            retryAfter=1,
        )


def _bytes_of(answer: Answer | Found) -> bytes:
    if isinstance(answer, Answer):
        return orjson.dumps(answer.body())
    body = answer.kept.encoded.body
    return body if answer.stale_age is None else with_warning(body, answer.stale_age)


def _refusal(error: Exception) -> Answer:
    """Return the answer to an operation that came to nothing."""
    if isinstance(error, DocumentError):
        return Answer.refusing(*error.errors)
    if isinstance(error, RefusedError):
        return Answer.refusing(QueryError("BAD_USER_INPUT", str(error)))
    if isinstance(error, TimeoutError):
        return Answer.refusing(QueryError("TIMEOUT", f"the answer took more than {deadline.SECONDS:g} s"))
    if isinstance(error, QueryError | DatabaseUnavailableError):
        return Answer.refusing(error)
    return Answer.failing(error)


def _key_of(payload: Message) -> str | None:
    """Return the API key of a first message, as a header would have it, or as `apiKey`."""
    for name, value in payload.items():
        if not isinstance(value, str):
            continue
        if name.lower() in {"apikey", "x-api-key"}:
            return value
        if name.lower() == "authorization":
            scheme, _, key = value.partition(" ")
            return key.strip() if scheme.lower() == "bearer" else value
    return None
