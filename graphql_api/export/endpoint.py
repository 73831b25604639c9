"""The route /export/{table}.{format}: a file in constant memory, of one version of the data.

What can be refused is refused before the first byte, as JSON with the contract's codes. What fails later
breaks the connection off: over HTTP/1.1 the last chunk never comes, so nobody takes a part for the whole.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import orjson
from graphql import GraphQLError
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from btcql.errors import QueryError
from btcql.records import DEFAULT_SYMBOL, AverageKind, Interval
from database.listener import Listener
from database.pool import Pool, Reads
from database.readers.markets import MarketFacts
from database.readers.version import fetch_version
from graphql_api.auth import MIN_COST, Client, Gate
from graphql_api.context import Context
from graphql_api.delivery import has_tag
from graphql_api.errors import RETRY_SECONDS, describe
from graphql_api.export.bars import export_averages, export_candles
from graphql_api.export.parameters import Parameters
from graphql_api.export.standing import cache_control, tag
from graphql_api.export.tables import Chunk, Column, Table
from graphql_api.export.text import Csv, Json
from graphql_api.export.vintages import export_forecast
from graphql_api.forecasts import MAX_HORIZON
from graphql_api.inputs import Fill
from graphql_api.market import read_market
from graphql_api.scalars import format_datetime

_AT_ONCE = 3  # exports, each with a session of the pool for as long as it takes
_PATIENCE = 30.0  # seconds that a client may take for a chunk before it is taken for gone
_RANGE = ("last", "lastDays", "from", "to")
_KNOWN = {
    "candles": ("symbol", *_RANGE, "interval", "fill", "includeIncomplete"),
    "movingAverage": ("symbol", *_RANGE, "window", "kind", "interval"),
    "forecast": ("symbol", "asOf", "horizon"),
}
_SCOPES = {
    "candles": ("export", "prices"),
    "movingAverage": ("export", "prices"),
    "forecast": ("export", "forecasts"),
}
FORMATS = ("csv", "json", "arrow", "parquet")
_STATUS = {
    "UNAUTHENTICATED": 401,
    "FORBIDDEN": 403,
    "MARKET_NOT_FOUND": 404,
    "FORECAST_UNAVAILABLE": 404,
    "RANGE_TOO_LARGE": 413,
    "RATE_LIMITED": 429,
    "INTERNAL": 500,
    "DATABASE_UNAVAILABLE": 503,
    "TIMEOUT": 504,
}


class NotFoundError(QueryError):
    """An address that no file has."""

    def __init__(self, message: str) -> None:
        super().__init__("BAD_USER_INPUT", message)


class Encoder(Protocol):
    """A format: what a file begins with, its rows chunk by chunk, and its end."""

    media_type: str

    def begin(self) -> bytes:
        """Return the first bytes."""

    def add(self, chunk: Chunk) -> bytes:
        """Return the bytes of a chunk, or none if they are still to come."""

    def end(self) -> bytes:
        """Return the last bytes."""


class Export:
    """The route; `new_context` makes a context over a snapshot, `most` is how many bars a file may have."""

    def __init__(
        self,
        gate: Gate,
        pool: Pool,
        listener: Listener,
        new_context: Callable[[Client, Reads], Context],
        most: int,
    ) -> None:
        self._gate, self._pool, self._listener = gate, pool, listener
        self._new_context, self._most = new_context, most
        self._running = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request; the work ends with the client."""
        await _while_there(self._answer(Request(scope), send), receive)

    async def _answer(self, request: Request, send: Send) -> None:
        started = False
        try:
            kind, name = request.path_params["format"], request.path_params["table"]
            client = await self._gate.identify(request)
            self._gate.charge(client, MIN_COST)
            self._gate.require(client, dict.fromkeys(_SCOPES.get(name, ()), f"/export/{name}"))
            with self._turn():
                async with self._pool.snapshot() as snapshot:
                    context = self._new_context(client, snapshot)
                    version = await context.read(fetch_version)
                    table = await self._read(request, context)
                    mark = tag(request, table, version, context.now)
                    stands = cache_control(
                        table, version, self._listener.state, context.now, shared=not client.keyed
                    )
                    headers = {"etag": mark, "cache-control": stands}
                    if has_tag(request.headers.get("if-none-match", ""), mark):
                        started = True
                        await Response(None, 304, headers)(request.scope, request.receive, send)
                        return
                    self._gate.charge(client, max(MIN_COST, table.rows), paid=MIN_COST)
                    encoder = await asyncio.to_thread(_encoder, kind, table.columns)
                    pieces = _encode(table, encoder)
                    first = await anext(pieces)  # fails, if it does, as long as that can be said
                    started = True
                    await send(_start(table, kind, encoder.media_type, headers))
                    if request.method != "HEAD":
                        await _deliver(first, send)
                        async for piece in pieces:
                            await _deliver(piece, send)
            await send({"type": "http.response.body"})
        except Exception as error:
            if started:
                raise  # which ends the connection
            await _refusal(error)(request.scope, request.receive, send)

    async def _read(self, request: Request, context: Context) -> Table:
        """Return the table that is asked for; raises what its GraphQL field would."""
        name = request.path_params["table"]
        if name not in _KNOWN or request.path_params["format"] not in FORMATS:
            raise NotFoundError(
                f"there is no {request.url.path}: give /export/<table>.<format>, "
                f"a table of {', '.join(_KNOWN)} and a format of {', '.join(FORMATS)}"
            )
        asked = Parameters.of(request.query_params.multi_items(), _KNOWN[name])
        if name == "forecast":
            as_of, horizon = asked.day("asOf"), asked.integer("horizon", MAX_HORIZON)
            facts = await self._facts(asked, context)
            return await export_forecast(context, facts, as_of, horizon)
        interval, bounds = asked.word("interval", Interval.DAY), asked.range()
        if name == "movingAverage":
            window, kind = asked.integer("window"), asked.word("kind", AverageKind.SIMPLE)
            facts = await self._facts(asked, context)
            return await export_averages(context, facts, bounds, window, kind, interval, self._most)
        fill, incomplete = asked.word("fill", Fill.NULL), asked.flag("includeIncomplete")
        facts = await self._facts(asked, context)
        return await export_candles(
            context, facts, bounds, interval, fill, self._most, include_incomplete=incomplete
        )

    async def _facts(self, asked: Parameters, context: Context) -> MarketFacts:
        return (await read_market(context, asked.text("symbol", DEFAULT_SYMBOL))).facts

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Take one of the few places; raises QueryError (DATABASE_UNAVAILABLE) if all are taken."""
        if self._running >= _AT_ONCE:
            raise QueryError(
                "DATABASE_UNAVAILABLE",
                f"{_AT_ONCE} exports are under way, as many as may be: ask again in {RETRY_SECONDS} seconds",
                retryAfter=RETRY_SECONDS,
            )
        self._running += 1
        try:
            yield
        finally:
            self._running -= 1


def _encoder(kind: str, columns: Sequence[Column]) -> Encoder:
    """Return the encoder of a format; called in a thread, for to import pyarrow takes a while."""
    if kind in {"csv", "json"}:
        return Csv(columns) if kind == "csv" else Json(columns)
    from graphql_api.export.columnar import Arrow, Parquet  # noqa: PLC0415 - the API starts without pyarrow

    return Arrow(columns) if kind == "arrow" else Parquet(columns)


async def _encode(table: Table, encoder: Encoder) -> AsyncIterator[bytes]:
    """Yield the file in pieces, the first after the first read."""
    begun = encoder.begin()
    async for chunk in table.chunks:
        piece = begun + await asyncio.to_thread(encoder.add, chunk)
        begun = b""
        if piece:
            yield piece
    yield begun + await asyncio.to_thread(encoder.end)


async def _deliver(piece: bytes, send: Send) -> None:
    async with asyncio.timeout(_PATIENCE):
        await send({"type": "http.response.body", "body": piece, "more_body": True})


def _start(table: Table, kind: str, media_type: str, standing: Mapping[str, str]) -> Message:
    headers = [
        *standing.items(),
        ("content-type", media_type),
        ("content-disposition", f'attachment; filename="{table.name}.{kind}"'),
        ("x-content-type-options", "nosniff"),
        *(("btcql-warning", f"{warning.code}: {warning.message}") for warning in table.warnings),
    ]
    if (span := table.resolved) is not None:
        start, end = format_datetime(span.from_), format_datetime(span.to)
        resolved = f'from="{start}", to="{end}", interval={span.interval}, clamped=?{span.clamped:d}'
        headers.append(("btcql-resolved", resolved))
    encoded = [(name.encode(), value.encode("ascii", "backslashreplace")) for name, value in headers]
    return {"type": "http.response.start", "status": 200, "headers": encoded}


def _refusal(error: Exception) -> Response:
    """Return the error as JSON, described as in an answer of GraphQL, under the status of its code."""
    described = describe(GraphQLError(str(error), path=["export"], original_error=error))
    del described["path"]
    extensions = described["extensions"]
    headers = {"cache-control": "no-store"}
    if "retryAfter" in extensions:
        headers["retry-after"] = str(extensions["retryAfter"])
    status = 404 if isinstance(error, NotFoundError) else _STATUS.get(extensions["code"], 400)
    return Response(orjson.dumps({"errors": [described]}), status, headers, "application/json")


async def _while_there(work: Coroutine[Any, Any, None], receive: Receive) -> None:
    """Do the work, or end it when the client leaves; either way it has ended when this returns."""
    working, leaving = asyncio.create_task(work), asyncio.create_task(_leave(receive))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        working.cancel()
        leaving.cancel()
        await asyncio.wait({working, leaving})
    if not working.cancelled():
        working.result()


async def _leave(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
