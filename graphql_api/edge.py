"""The outermost layer: what every request gets, whatever answers it.

It makes the exchange, adds the headers that belong on each answer (the request's id, the rate limit's, what
browsers are to keep to), masks what nobody foresaw, and tells log and metrics how it went.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from random import getrandbits
from time import perf_counter

import orjson
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from btcql.access import Access
from graphql_api import exchange
from graphql_api.errors import mask
from graphql_api.exchange import Exchange
from graphql_api.headers import AnswerHeaders, Header
from graphql_api.tracing import Tracing

# How it went: the exchange, the scope, the status, the bytes of the body, seconds.
Report = Callable[[Exchange, Scope, int, int, float], None]

_SANE_ID = re.compile(rb"[A-Za-z0-9._:/+=-]{1,128}")
_TRACE = re.compile(rb"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?")
_SOCKET, _REFUSED_SOCKET = 101, 403
_UNFORESEEN = 500
CLIENT_LEFT = 499  # in the log alone: nobody was there to be answered


def edge(
    access: Access, headers: AnswerHeaders, reports: Sequence[Report], tracing: Tracing | None
) -> list[Middleware]:
    """Return the layers around the routes, outermost first.

    Any web page may ask by default, as is usual of open data: nobody is known by a cookie, so a page learns
    no more than its visitor's own address would, and a key only counts where a page itself has it.
    """
    cross_origin = Middleware(
        CrossOrigin,
        allow_origins=access.origins,
        allow_methods=["GET", "POST"],
        allow_headers=[
            "authorization",
            "content-type",
            "if-none-match",
            "if-range",
            "range",
            "traceparent",
            "x-api-key",
            "x-request-id",
        ],
        expose_headers=[
            "accept-ranges",
            "btcql-resolved",
            "btcql-warning",
            "content-disposition",
            "content-range",
            "etag",
            "ratelimit",
            "ratelimit-policy",
            "retry-after",
            "x-request-id",
        ],
        max_age=86_400,
    )
    return [
        Middleware(Edge, headers=headers, reports=reports, tracing=tracing),
        cross_origin,
    ]


class CrossOrigin(CORSMiddleware):
    """What pages of other origins are allowed; what no page asks passes by, with its Vary from `Edge`."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, with starlette's answer to a page where it names its origin."""
        if b"origin" in dict(scope.get("headers", ())):
            await super().__call__(scope, receive, send)
        else:
            await self.app(scope, receive, send)


class Edge:
    """The application with its outermost layer."""

    def __init__(
        self, app: ASGIApp, headers: AnswerHeaders, reports: Sequence[Report], tracing: Tracing | None
    ) -> None:
        self._app, self._headers, self._reports, self._tracing = app, headers, reports, tracing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on, and its answer back."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        began = perf_counter()
        seen = _begin(scope["headers"])
        status, size = 0, 0

        async def send_on(message: Message) -> None:
            nonlocal status, size
            if message["type"] in {"http.response.start", "websocket.accept"}:
                status = message.get("status", _SOCKET)
                headers = self._headers.complete(message.get("headers", ()), seen, status)
                message = {**message, "headers": headers}
            elif message["type"] == "http.response.body":
                size += len(message.get("body", b""))
            elif message["type"] == "websocket.close":
                status = status or _REFUSED_SOCKET
            await send(message)

        token = exchange.current.set(seen)
        try:
            if self._tracing is None or scope["type"] != "http":
                await self._app(scope, receive, send_on)
            else:
                with self._tracing.request(scope, seen) as span:
                    try:
                        await self._app(scope, receive, send_on)
                    finally:
                        self._tracing.end(span, seen, status or _UNFORESEEN)
        except Exception as error:
            if scope["type"] != "http" or status:
                mask(error)  # nothing can be said any more, but in the log
                raise
            code, headers, body = answer_masked(error)
            await send_on({"type": "http.response.start", "status": code, "headers": headers})
            await send_on({"type": "http.response.body", "body": body})
        finally:
            seconds = perf_counter() - began
            for report in self._reports:
                report(seen, scope, status or CLIENT_LEFT, size, seconds)
            exchange.current.reset(token)


def _begin(headers: Iterable[Header]) -> Exchange:
    given = dict(headers)
    request_id, traced = given.get(b"x-request-id", b""), _TRACE.fullmatch(given.get(b"traceparent", b""))
    return Exchange(
        request_id.decode() if _SANE_ID.fullmatch(request_id) else new_id(),
        traced[1].decode() if traced else None,
    )


def new_id() -> str:
    """Return an id for a request whose client gave none: one of its own, but no secret."""
    return f"{getrandbits(128):032x}"


def answer_masked(error: Exception) -> tuple[int, tuple[Header, ...], bytes]:
    """Return the status, the headers and the body of an answer to what nobody foresaw."""
    headers = (b"content-type", b"application/json"), (b"cache-control", b"no-store")
    return _UNFORESEEN, headers, orjson.dumps({"errors": [mask(error)]})
