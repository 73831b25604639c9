"""Requests that were answered before, byte for byte: known again before anything of them is read.

A page asks for the same again and again, and so do many people with the same page. Where the answer is kept,
to route the request, to read it and to find its cost takes several times as long as to send the answer. So
the answer is found by the request's own bytes when all of these hold:

1  it is a POST to /graphql whose body came at once, and is not by a persisted query's hash,
2  its body, and its headers that matter (`_MATTER`), are those of a request that the endpoint answered with
   what it kept, on the same day (for the cost is of a day) and for a client of the same scopes,
3  that answer is still the one that is kept for its question, and still stands,
4  who asks is known without asking the database, and has enough left of their rate.

In every other case the endpoint does what it always does: it alone refuses, and says what is stale. Only what
is of the answer itself is remembered: who asks is found out every time (a revoked key ends as soon as ever),
the cost is charged, and the layers around see the request and its answer as they see any other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple, TypeAlias
from weakref import ReferenceType, ref

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from btcql import calendar
from btcql.errors import QueryError
from graphql_api import exchange
from graphql_api.answering import Answering
from graphql_api.auth import Client, Gate
from graphql_api.cache import Kept, Question
from graphql_api.endpoint import Endpoint
from graphql_api.exchange import name_operation, note_cache
from graphql_api.recent import Recent

PATH = "/graphql"
_MATTER = {b"content-type", b"accept", b"accept-encoding"}
_AT_ONCE = 0.1  # seconds that a body may take: the endpoint gives it more
_KEPT = 1_000  # requests
_KEPT_LENGTH = 10_000  # bytes of each: longer ones are read anew every time
_OK = 200
_BY_HASH = b"persistedQuery"  # a document that comes with its hash is to be kept: the endpoint sees to that

Headers: TypeAlias = tuple[tuple[bytes, bytes], ...]
Key: TypeAlias = tuple[frozenset[str], bytes, Headers]  # scopes, body, the headers that matter


class Repeat(NamedTuple):
    """How a request was answered: from what, with which headers, what it ran and cost, on which day."""

    question: Question
    kept: ReferenceType[Kept]
    headers: Headers
    operation: str | None
    cost: int
    day: int


class Repeats:
    """The application, but for requests that are known; `now` tells epoch microseconds.

    A POST to /graphql that is not known goes to `endpoint` at once: nothing else takes it.
    """

    def __init__(
        self, app: ASGIApp, endpoint: Endpoint, gate: Gate, answering: Answering, now: Callable[[], int]
    ) -> None:
        self._app, self._endpoint = app, endpoint
        self._gate, self._answering, self._now = gate, answering, now
        self._known: Recent[Key, Repeat] = Recent(_KEPT)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request that is known, or pass it on."""
        if scope["type"] != "http" or scope["method"] != "POST" or scope["path"] != PATH:
            await self._app(scope, receive, send)
            return
        first: Message | None = None
        with suppress(TimeoutError):
            async with asyncio.timeout(_AT_ONCE):
                first = await receive()
        if first is None:
            await self._ask(scope, receive, send)
            return
        client, day = self._gate.recognize(scope), self._now() // calendar.DAY
        key = None if client is None else _key(scope, first, client)
        if client and key and (repeat := self._known.get(key)) and await self._answer(repeat, client, send):
            return
        headers: Headers | None = None

        async def receive_again() -> Message:
            nonlocal first
            if first is None:
                return await receive()
            message, first = first, None
            return message

        async def send_on(message: Message) -> None:
            nonlocal headers
            if message["type"] == "http.response.start" and message["status"] == _OK:
                headers = tuple(message["headers"])  # as they are now: the layers around add their own
            await send(message)

        await self._ask(scope, receive_again, send_on)
        if key is not None and headers is not None and self._now() // calendar.DAY == day:
            self._remember(key, headers, day)

    async def _ask(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await self._endpoint(Request(scope, receive, send))
        await response(scope, receive, send)

    async def _answer(self, repeat: Repeat, client: Client, send: Send) -> bool:
        """Send the answer, if it still is one to this client."""
        kept, now = repeat.kept(), self._now()
        if kept is None or now // calendar.DAY != repeat.day:
            return False
        if not self._answering.holds(repeat.question, kept, now):
            return False
        try:
            self._gate.charge(client, repeat.cost)
        except QueryError:  # nothing was charged: the endpoint charges its least, and says why not
            return False
        name_operation(repeat.operation)
        note_cache("hit")
        compressed = any(name == b"content-encoding" for name, _ in repeat.headers)
        body = await kept.encoded.compressed() if compressed else kept.encoded.body
        await send({"type": "http.response.start", "status": _OK, "headers": repeat.headers})
        await send({"type": "http.response.body", "body": body})
        return True

    def _remember(self, key: Key, headers: Headers, day: int) -> None:
        """Remember a request whose answer had these headers, if it was answered with what is kept."""
        seen = exchange.current.get()
        if seen is None or seen.answered is None:
            return
        question, kept = seen.answered
        self._known.keep(key, Repeat(question, ref(kept), headers, seen.operation, seen.cost, day))


def _key(scope: Scope, first: Message, client: Client) -> Key | None:
    """Return what a request is known by; None: it is none of those that are known (rule 1)."""
    if first["type"] != "http.request" or first.get("more_body", False):
        return None
    body: bytes = first["body"]
    if len(body) > _KEPT_LENGTH or _BY_HASH in body:
        return None
    return client.scopes, body, tuple(header for header in scope["headers"] if header[0] in _MATTER)
