"""The outermost layer: what every request gets, whatever answers it.

It makes the exchange, adds the headers that belong on each answer (the request's id, the rate limit's, what
browsers are to keep to), masks what nobody foresaw, and tells log and metrics how it went.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterable, Sequence
from functools import lru_cache
from os import urandom
from time import perf_counter

import orjson
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from btcql.access import ANY_ORIGIN, Access
from graphql_api import exchange
from graphql_api.errors import mask
from graphql_api.exchange import Exchange
from graphql_api.tracing import Tracing

Header = tuple[bytes, bytes]
# How it went: the exchange, the scope, the status, the bytes of the body, seconds.
Report = Callable[[Exchange, Scope, int, int, float], None]

_SANE_ID = re.compile(rb"[A-Za-z0-9._:/+=-]{1,128}")
_TRACE = re.compile(rb"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?")
# Answers are data: no browser is to make anything else of them. Strict-Transport-Security is for whoever
# ends TLS, which this server does not. The pages have a content-security-policy of their own.
_SECURITY: tuple[Header, ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (
        b"content-security-policy",
        b"default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    ),
)
_VARYING = (b"authorization", b"x-api-key", b"origin")
_MISSING_KEY, _TOO_MANY = 401, 429
_SOCKET, _REFUSED_SOCKET = 101, 403
_UNFORESEEN = 500
_CLIENT_LEFT = 499  # in the log alone: nobody was there to be answered


def edge(access: Access, reports: Sequence[Report], tracing: Tracing | None) -> list[Middleware]:
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
        Middleware(Edge, reports=reports, tracing=tracing, any_origin=ANY_ORIGIN in access.origins),
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
    """The application with its outermost layer; `any_origin`: pages of any origin may ask it."""

    def __init__(
        self, app: ASGIApp, reports: Sequence[Report], tracing: Tracing | None, *, any_origin: bool
    ) -> None:
        self._app, self._reports, self._tracing = app, reports, tracing
        policy = b"cross-origin" if any_origin else b"same-origin"
        self._headers = (*_SECURITY, (b"cross-origin-resource-policy", policy))
        self._names = [name for name, _ in self._headers]

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
                message = {**message, "headers": self._complete(message.get("headers", ()), seen, status)}
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
            await _answer_masked(error, send_on)
        finally:
            seconds = perf_counter() - began
            for report in self._reports:
                report(seen, scope, status or _CLIENT_LEFT, size, seconds)
            exchange.current.reset(token)

    def _complete(self, given: Iterable[Header], seen: Exchange, status: int) -> list[Header]:
        headers = list(given)
        names = dict(headers)
        headers += self._headers if names.keys().isdisjoint(self._names) else self._lacking(names)
        headers.append((b"x-request-id", seen.request_id.encode()))
        if not seen.gated:
            _vary(headers, (b"origin",))
            return headers
        _vary(headers, _VARYING)
        if status == _MISSING_KEY:
            headers.append((b"www-authenticate", b'Bearer realm="btcql"'))
        if (standing := seen.standing) is not None:
            name = seen.policy
            headers += [
                (b"ratelimit-policy", f'"{name}";q={standing.rate};w=60'.encode()),
                (
                    b"ratelimit",
                    f'"{name}";r={standing.remaining};t={standing.wait or standing.full_in}'.encode(),
                ),
            ]
            if status == _TOO_MANY and b"retry-after" not in names:
                headers.append((b"retry-after", b"%d" % standing.wait))
        return headers

    def _lacking(self, names: Container[bytes]) -> list[Header]:
        """Return the headers of every answer that are not among these names."""
        return [header for header in self._headers if header[0] not in names]


def _begin(headers: Iterable[Header]) -> Exchange:
    given = dict(headers)
    request_id, traced = given.get(b"x-request-id", b""), _TRACE.fullmatch(given.get(b"traceparent", b""))
    return Exchange(
        request_id.decode() if _SANE_ID.fullmatch(request_id) else urandom(16).hex(),
        traced[1].decode() if traced else None,
    )


def _vary(headers: list[Header], names: tuple[bytes, ...]) -> None:
    """Tell caches that the answer depends on these request headers too."""
    for place, (name, value) in enumerate(headers):
        if name == b"vary":
            headers[place] = name, _varying(value, names)
            return
    headers.append((b"vary", b", ".join(names)))


@lru_cache(maxsize=64)
def _varying(value: bytes, names: tuple[bytes, ...]) -> bytes:
    known = value.lower()
    return b", ".join([value, *(name for name in names if name not in known)])


async def _answer_masked(error: Exception, send: Send) -> None:
    body = orjson.dumps({"errors": [mask(error)]})
    headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": _UNFORESEEN, "headers": headers})
    await send({"type": "http.response.body", "body": body})
