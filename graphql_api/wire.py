"""Requests whose every byte came before: answered as they come from the wire, without being parsed.

To find out what a request says takes about as long as all that is left to do for one that is known
(`repeats.py`): its head is parsed, a task begun, the application's layers called one by one, its answer's
headers written one by one. Yet the same bytes between two requests of a connection always say the same. So
for those that came before, head and body, at once and alone, all that is left out. What the layers around the
application do is done here by the same parts: the headers of every answer, the log, the metrics, the masking
of what nobody foresaw. Where there is more to do (a page's origin, ids, traces) they go the ordinary way.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence
from functools import lru_cache
from time import perf_counter
from typing import NamedTuple, TypeAlias

from starlette.types import Receive, Scope
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from graphql_api import exchange
from graphql_api.admission import Admitted
from graphql_api.delivery import Reply, Wish
from graphql_api.edge import CLIENT_LEFT, Report, answer_masked, new_id
from graphql_api.endpoint import Endpoint
from graphql_api.exchange import Exchange
from graphql_api.headers import AnswerHeaders, Header, passing
from graphql_api.repeats import PATH, Asked, Known, Repeats

logger = logging.getLogger("btcql.api")

_OK = 200
_KEPT = 64  # beginnings of heads

# What reports are told of each such request.
SCOPE: Scope = {"type": "http", "method": "POST", "path": PATH}

# An answer: its head, but for the empty line, and its body.
Parts: TypeAlias = tuple[bytes, bytes]


class Begun(NamedTuple):
    """A request that is known, charged, and to be answered anew."""

    seen: Exchange
    began: float
    wish: Wish
    admitted: Admitted
    known: Known


class Wire:
    """What answers such requests; `reports` are told of each."""

    def __init__(
        self, repeats: Repeats, endpoint: Endpoint, headers: AnswerHeaders, reports: Sequence[Report]
    ) -> None:
        self._repeats, self._endpoint, self._headers, self._reports = repeats, endpoint, headers, reports
        self._beginning = lru_cache(_KEPT)(self._begin)
        self._untold: list[tuple[Exchange, int, int, float]] = []
        self._default: Iterable[Header] = ()
        self._default_lines = b""

    def find(self, whole: bytes) -> Asked | None:
        """Return the request that came in these bytes, if it came before."""
        return self._repeats.find(whole)

    def answer(
        self, asked: Asked, peer: tuple[str, int] | None, default: Iterable[Header]
    ) -> Parts | Begun | None:
        """Return the answer that is kept, with the server's `default` headers, else what `answer_anew` takes.

        None: the request is one for the ordinary way, and was not charged.
        """
        began = perf_counter()
        known = self._repeats.recognize(asked, None if peer is None else peer[0])
        if known is None:
            return None
        seen = Exchange(new_id())
        recalled = self._repeats.recall(known)
        if recalled is None:
            admitted = self._repeats.admitted(known, seen)
            return None if admitted is None else Begun(seen, began, asked.wish, admitted, known)
        recalled.tell(seen)
        repeat, body = recalled.repeat, recalled.body
        if repeat.head is None:
            repeat.head = self._begin(_OK, (_length(body), *repeat.headers))
        self._end(seen, _OK, len(body), began)
        return repeat.head + self._lines_of(default) + _lines(passing(seen, _OK)), body

    async def answer_anew(self, begun: Begun, receive: Receive, default: Iterable[Header]) -> Parts:
        """Return the answer to a request; `receive` tells when its client leaves."""
        seen = begun.seen
        exchange.current.set(seen)
        status, body = CLIENT_LEFT, b""
        try:
            try:
                reply = await self._endpoint.again(receive, begun.wish, begun.admitted, begun.known.client)
            except Exception as error:  # noqa: BLE001 - whatever it is, the client gets an answer
                reply = Reply(*answer_masked(error))
            status, own, body = reply
            self._repeats.remember(begun.known.key, status, own)
            others = _lines([_length(body), *passing(seen, status, dict(own))])
            return self._beginning(status, own) + self._lines_of(default) + others, body
        finally:
            self._end(seen, status, len(body), begun.began)

    def _begin(self, status: int, own: tuple[Header, ...]) -> bytes:
        """Return what every answer of this status and with these headers of its own begins with."""
        return STATUS_LINE[status] + _lines(self._headers.lasting(own))

    def _lines_of(self, default: Iterable[Header]) -> bytes:
        """Return the server's headers as they are sent; it makes new ones once a second."""
        if default is not self._default:
            self._default, self._default_lines = default, _lines(default)
        return self._default_lines

    def _end(self, seen: Exchange, status: int, size: int, began: float) -> None:
        """Have the reports told of an answer as soon as it is on its way: nobody is to wait for them."""
        self._untold.append((seen, status, size, perf_counter() - began))
        if len(self._untold) == 1:
            asyncio.get_running_loop().call_soon(self._tell)

    def _tell(self) -> None:
        untold, self._untold = self._untold, []
        for seen, status, size, seconds in untold:
            exchange.current.set(seen)  # in a context of this callback's own
            try:
                for report in self._reports:
                    report(seen, SCOPE, status, size, seconds)
            except Exception:
                logger.exception("what became of a request could not be told")


def _length(body: bytes) -> Header:
    return b"content-length", b"%d" % len(body)


def _lines(headers: Iterable[Header]) -> bytes:
    """Return headers as they are sent; all of them are the server's own, so none has a line's end in it."""
    return b"".join([b"%b: %b\r\n" % header for header in headers])
