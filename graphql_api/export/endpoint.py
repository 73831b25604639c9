"""The route /export/{table}.{format}: a file of one version of the data.

Whoever asks for the whole is sent it as it is made, in constant memory. Who asks for its length (HEAD) or for
a range of bytes is answered from a file that is made once and kept for a while (spool.py).

What can be refused is refused before the first byte, as JSON with the contract's codes. What fails later
breaks the connection off: over HTTP/1.1 the last chunk never comes, so nobody takes a part for the whole.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import monotonic
from typing import Any

from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from btcql.errors import QueryError
from database.listener import Listener
from database.pool import Pool, Reads
from database.readers.version import fetch_version
from graphql_api.auth import MIN_COST, Client, Gate
from graphql_api.cache import Flights
from graphql_api.context import Context
from graphql_api.delivery import has_tag
from graphql_api.errors import RETRY_SECONDS
from graphql_api.export.byteranges import parse_range, place_range
from graphql_api.export.catalogue import needed_scopes, read_table
from graphql_api.export.encoders import encode, new_encoder
from graphql_api.export.headers import describe
from graphql_api.export.outlet import Outlet
from graphql_api.export.refusals import OutsideError, refusal
from graphql_api.export.spool import Label, Spool, Spooled, SpoolError
from graphql_api.export.standing import address_of, ends, standing, tag

_AT_ONCE = 3  # exports, each with a session of the pool for as long as it takes
_WAIT_SECONDS = 2.0  # for one of them to end, as for a session of the pool
_PIECE = 1 << 18  # bytes of a kept file that are sent at a time
_STEADY_SECONDS = 60.0  # that ranges go on with a file although there is a newer version: a reader wants one

logger = logging.getLogger("btcql.api")


@dataclass
class _Asked:
    """A request: by whom, of which address, for which range of bytes; `paid` is what it was charged yet."""

    request: Request
    client: Client
    address: str
    range: tuple[int | None, int | None] | None
    now: int
    paid: int = MIN_COST

    @property
    def wants_file(self) -> bool:
        return self.request.method == "HEAD" or self.range is not None

    def has(self, label: Label) -> bool:
        return has_tag(self.request.headers.get("if-none-match", ""), label.tag)


class _UnchangedError(Exception):
    """The client has the file that it asks for."""

    def __init__(self, label: Label) -> None:
        super().__init__(label.tag)
        self.label = label


class Export:
    """The route; `new_context` makes a context over a snapshot, `most` is how many bars a file may have."""

    def __init__(
        self,
        gate: Gate,
        pool: Pool,
        listener: Listener,
        new_context: Callable[[Client, Reads], Context],
        spool: Spool,
        most: int,
    ) -> None:
        self._gate, self._pool, self._listener = gate, pool, listener
        self._new_context, self._spool, self._most = new_context, spool, most
        self._making: Flights[Spooled] = Flights()
        self._places = asyncio.Semaphore(_AT_ONCE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request; the work ends with the client."""
        await _while_there(self._answer(Request(scope), send), receive)

    async def _answer(self, request: Request, send: Send) -> None:
        outlet = Outlet(send, is_head=request.method == "HEAD")
        try:
            asked = await self._admit(request)
            try:
                if not await self._send_kept(asked, outlet):
                    await self._stream(asked, outlet)
            except _UnchangedError as same:
                await outlet.start(304, self._standing(same.label, asked))
            await outlet.end()
        except Exception as error:
            if outlet.started:
                raise  # which ends the connection
            await refusal(error)(request.scope, request.receive, send)

    async def _admit(self, request: Request) -> _Asked:
        client = await self._gate.identify(request)
        self._gate.charge(client, MIN_COST)
        # What a file has in it depends on nobody's scopes: whoever may have it may have the one that is kept.
        self._gate.require(client, needed_scopes(request.path_params["table"]))
        piece = parse_range(request.headers.get("range")) if request.method == "GET" else None
        now = self._new_context(client, self._pool).now
        return _Asked(request, client, address_of(request), piece, now)

    async def _stream(self, asked: _Asked, outlet: Outlet) -> None:
        """Send the whole as it is made."""
        async with self._opened(asked) as (label, pieces):
            first = await anext(pieces)  # fails, if it does, as long as that can be said
            await outlet.start(200, (*label.headers, *self._standing(label, asked)))
            if outlet.takes_body:
                await outlet.add(first)
                async for piece in pieces:
                    await outlet.add(piece)

    async def _send_kept(self, asked: _Asked, outlet: Outlet) -> bool:
        """Send what is asked for of a kept file; False: there is none, nor can one be made."""
        try:
            file = await self._find(asked)
            if file is None:
                return False
            with file.reading():
                await self._send_file(asked, file, outlet)
        except SpoolError as error:  # it comes before anything is sent
            logger.warning("%s", error)
            return False
        return True

    async def _find(self, asked: _Asked) -> Spooled | None:
        """Return the kept file of an address, made now if need be; None for who is streamed the whole."""
        kept, state = self._spool.find(asked.address), self._listener.state
        if kept is not None:
            label = kept.label
            is_newest = state is not None and state.settled and state.version == label.version
            goes_on = asked.range is not None and monotonic() - kept.made_at < _STEADY_SECONDS
            if (is_newest and asked.now < label.ends) or goes_on:
                return kept
        if not asked.wants_file or not self._spool.capacity:
            return None

        async def make() -> Spooled:
            async with self._opened(asked) as (label, pieces):
                made = await self._spool.write(asked.address, label, pieces)
                made.pay(asked.client.bucket)
                return made

        return await self._making.join((asked.address, state), make)

    async def _send_file(self, asked: _Asked, file: Spooled, outlet: Outlet) -> None:
        label, headers = file.label, asked.request.headers
        if asked.has(label):
            raise _UnchangedError(label)
        status, start, stop = 200, 0, file.size
        own = list(self._standing(label, asked))
        if asked.range is not None and headers.get("if-range", label.tag) == label.tag:
            placed = place_range(asked.range, file.size)
            if placed is None:
                raise OutsideError(headers["range"], file.size)
            status, (start, stop) = 206, placed
            own.append(("content-range", f"bytes {start}-{stop - 1}/{file.size}"))
        self._charge_file(asked, file, stop - start if outlet.takes_body else 0)
        own.append(("content-length", str(stop - start)))
        await outlet.start(status, (*label.headers, *own))
        if outlet.takes_body:
            for at in range(start, stop, _PIECE):
                await outlet.add(await file.read(at, min(_PIECE, stop - at)))

    def _charge_file(self, asked: _Asked, file: Spooled, length: int) -> None:
        """Charge a kept file to each client once, not each of its ranges."""
        bucket = asked.client.bucket
        if not file.take(bucket, length):
            self._charge(asked, file.label.cost)
            file.pay(bucket)
            file.take(bucket, length)

    def _charge(self, asked: _Asked, cost: int) -> None:
        if cost > asked.paid:
            self._gate.charge(asked.client, cost, paid=asked.paid)
            asked.paid = cost

    @asynccontextmanager
    async def _opened(self, asked: _Asked) -> AsyncIterator[tuple[Label, AsyncIterator[bytes]]]:
        """Yield a file's label, and the file in pieces; it is paid for.

        Raises what the table's GraphQL field would, _UnchangedError, and QueryError (RATE_LIMITED,
        DATABASE_UNAVAILABLE).
        """
        request = asked.request
        async with self._turn(), self._pool.snapshot() as snapshot:
            context = self._new_context(asked.client, snapshot)
            version = await context.read(fetch_version)
            table = await read_table(request, context, self._most)
            form = request.path_params["format"]
            encoder = await new_encoder(form, table)
            label = Label(
                tag(asked.address, table, version, context.now),
                version,
                ends(table, context.now),
                context.extent.steady_until if table.is_closed else 0,
                table.cost,
                describe(table, form, encoder.media_type),
            )
            if asked.has(label):
                raise _UnchangedError(label)
            self._charge(asked, table.cost)
            yield label, encode(table, encoder)

    def _standing(self, label: Label, asked: _Asked) -> tuple[tuple[str, str], ...]:
        kept = standing(label, self._listener.state, asked.now, shared=not asked.client.keyed)
        return ("etag", label.tag), ("cache-control", kept)

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """Take one of the few places, as soon as there is one; raises QueryError (DATABASE_UNAVAILABLE)."""
        try:
            async with asyncio.timeout(_WAIT_SECONDS):
                await self._places.acquire()
        except TimeoutError:
            raise QueryError(
                "DATABASE_UNAVAILABLE",
                f"{_AT_ONCE} exports are under way, as many as may be: ask again in {RETRY_SECONDS} seconds",
                retryAfter=RETRY_SECONDS,
            ) from None
        try:
            yield
        finally:
            self._places.release()


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
