"""Requests that came before, byte for byte: known again before anything of them is read.

A page asks for the same again and again, and so do many people with the same page. To route such a request,
to read it and to find its cost takes several times as long as to send an answer that is kept, and a good part
of the time of a short new one. So a request is known by its own bytes when all of these hold:

1  it is a POST to /graphql whose body came at once, and is not by a persisted query's hash,
2  its body, and its headers that matter (`_MATTER`), are those of a request that the endpoint admitted, on
   the same day (for the cost is of a day) and for a client of the same scopes,
3  who asks is known without asking the database, and has enough left of their rate.

Then it is answered with what the endpoint answered it with, if that is the answer that is kept for its
question, and still stands; if not, the endpoint answers what it admitted, without reading it again.

In every other case the endpoint does what it always does: it alone refuses, and says what is stale. Only what
is of the request and the answer themselves is remembered: who asks is found out every time (a revoked key
ends as soon as ever), the cost is charged, and the layers around see the request and its answer as they see
any other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NamedTuple, TypeAlias
from weakref import ReferenceType, ref

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from btcql import calendar
from btcql.errors import QueryError
from graphql_api import exchange
from graphql_api.admission import Admitted
from graphql_api.answering import Answering
from graphql_api.auth import Client, Gate
from graphql_api.cache import Kept, Question
from graphql_api.deadline import Ending
from graphql_api.endpoint import Endpoint
from graphql_api.exchange import name_operation, note_cache
from graphql_api.recent import Recent

PATH = "/graphql"
_MATTER = {b"content-type", b"accept", b"accept-encoding"}
_AT_ONCE = 0.1  # seconds that a body may take: the endpoint gives it more
_KEPT = 1_000  # requests by their answers
_ADMITTED = 256  # requests by their operations, whose documents take more room than their text
_KEPT_LENGTH = 10_000  # bytes of each: longer ones are read anew every time
_OK = 200
_BY_HASH = b"persistedQuery"  # a document that comes with its hash is to be kept: the endpoint sees to that

Headers: TypeAlias = tuple[tuple[bytes, bytes], ...]
# day, scopes, body, the headers that matter
Key: TypeAlias = tuple[int, frozenset[str], bytes, Headers]


class Repeat(NamedTuple):
    """How a request was answered: from what, with which headers, what it ran and cost."""

    question: Question
    kept: ReferenceType[Kept]
    headers: Headers
    compressed: bool
    operation: str | None
    cost: int


class Repeats:
    """The application, but for requests that are known; `now` tells epoch microseconds.

    A POST to /graphql that is not known goes to `endpoint` at once: nothing else takes it.
    """

    def __init__(
        self, app: ASGIApp, endpoint: Endpoint, gate: Gate, answering: Answering, now: Callable[[], int]
    ) -> None:
        self._app, self._endpoint = app, endpoint
        self._gate, self._answering, self._now = gate, answering, now
        self._answers: Recent[Key, Repeat] = Recent(_KEPT)
        self._admitted: Recent[Key, Admitted] = Recent(_ADMITTED)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request that is known, or pass it on."""
        if scope["type"] != "http" or scope["method"] != "POST" or scope["path"] != PATH:
            await self._app(scope, receive, send)
            return
        first = await _receive_at_once(receive)
        client, key = None, None
        if first is not None and (client := self._gate.recognize(scope)) is not None:
            key = _key(self._now() // calendar.DAY, scope, first, client)
        if client is None or key is None:
            await self._ask(scope, _beginning_with(first, receive), send)
            return
        repeat, admitted = self._answers.get(key), self._admitted.get(key)
        if repeat is not None and await self._answer(repeat, client, send):
            return
        if admitted is not None and self._charge(client, admitted.charge):
            response = await self._endpoint.again(Request(scope, receive), admitted, client)
            await response(scope, receive, send)
        else:
            response = await self._ask(scope, _beginning_with(first, receive), send)
        self._remember(key, response)

    async def _ask(self, scope: Scope, receive: Receive, send: Send) -> Response:
        """Have the endpoint read the request and answer it; return the response, which was sent."""
        response = await self._endpoint(Request(scope, receive))
        await response(scope, receive, send)
        return response

    async def _answer(self, repeat: Repeat, client: Client, send: Send) -> bool:
        """Send the answer, if it still is one to this client."""
        kept = repeat.kept()
        if kept is None or not self._answering.holds(repeat.question, kept, self._now()):
            return False
        if not self._charge(client, repeat.cost):
            return False
        name_operation(repeat.operation)
        note_cache("hit")
        body = await kept.encoded.compressed() if repeat.compressed else kept.encoded.body
        await send({"type": "http.response.start", "status": _OK, "headers": repeat.headers})
        await send({"type": "http.response.body", "body": body})
        return True

    def _charge(self, client: Client, cost: int) -> bool:
        """Charge the cost, if so much is left: else the endpoint charges its least, and says why not."""
        try:
            self._gate.charge(client, cost)
        except QueryError:
            return False
        return True

    def _remember(self, key: Key, response: Response) -> None:
        """Remember as what the request was admitted, and its answer if that was what is kept."""
        seen = exchange.current.get()
        if seen is None or (seen.admitted is None and seen.answered is None):
            return
        if key[0] != self._now() // calendar.DAY:
            return
        if seen.admitted is not None:
            self._admitted.keep(key, seen.admitted)
        if seen.answered is not None and response.status_code == _OK:
            question, kept = seen.answered
            # the endpoint's own headers: the layers around add theirs every time
            headers = tuple(response.raw_headers)
            compressed = b"content-encoding" in dict(headers)
            repeat = Repeat(question, ref(kept), headers, compressed, seen.operation, seen.cost)
            self._answers.keep(key, repeat)


async def _receive_at_once(receive: Receive) -> Message | None:
    """Return the next message, None if it does not come in time."""
    ending = Ending()
    timer = asyncio.get_running_loop().call_later(_AT_ONCE, ending.end, TimeoutError())
    try:
        with ending:
            return await receive()
    except TimeoutError:
        return None
    finally:
        timer.cancel()


def _beginning_with(first: Message | None, receive: Receive) -> Receive:
    """Return `receive` with a message before the others, that was taken from it already; None: none was."""
    if first is None:
        return receive
    messages = [first]

    async def receive_again() -> Message:
        return messages.pop() if messages else await receive()

    return receive_again


def _key(day: int, scope: Scope, first: Message, client: Client) -> Key | None:
    """Return what a request is known by; None: it is none of those that are known (rule 1)."""
    if first["type"] != "http.request" or first.get("more_body", False):
        return None
    body: bytes = first["body"]
    if len(body) > _KEPT_LENGTH or _BY_HASH in body:
        return None
    return day, client.scopes, body, tuple(header for header in scope["headers"] if header[0] in _MATTER)
