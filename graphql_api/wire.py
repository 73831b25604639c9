"""Requests whose every byte came before: answered as they come from the wire, without being parsed.

To find out what a request says takes about as long as all that is left to do for one that is known
(`repeats.py`): its head is parsed, a task begun, the application's layers called one by one, its answer's
headers written one by one. Yet the same bytes between two requests of a connection always say the same. So
for those that came before, head and body, at once and alone, all that is left out. What the layers around the
application do is done here by the same parts: the headers of every answer, the log, the metrics, the masking
of what nobody foresaw. Where there is more to do (a page's origin, ids, traces) they go the ordinary way.
"""

from __future__ import annotations

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

_OK = 200
_KEPT = 64  # beginnings of heads

# An answer: its head, but for the empty line, and its body.
Parts: TypeAlias = tuple[bytes, bytes]


class Begun(NamedTuple):
    """A request that is known, charged, and to be answered anew."""

    seen: Exchange
    began: float
    wish: Wish
    admitted: Admitted
    known: Known
    scope: Scope


class Wire:
    """What answers such requests; `reports` are told of each."""

    def __init__(
        self, repeats: Repeats, endpoint: Endpoint, headers: AnswerHeaders, reports: Sequence[Report]
    ) -> None:
        self._repeats, self._endpoint, self._headers, self._reports = repeats, endpoint, headers, reports
        self._beginning = lru_cache(_KEPT)(self._begin)

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
        seen = Exchange(new_id())
        token = exchange.current.set(seen)
        try:
            known = self._repeats.recognize(asked, None if peer is None else peer[0])
            if known is None:
                return None
            scope = {"type": "http", "method": "POST", "path": PATH, "headers": asked.headers, "client": peer}
            if (found := self._repeats.recall(known)) is not None:
                repeat, body = found
                if repeat.head is None:
                    repeat.head = self._begin(_OK, (_length(body), *repeat.headers))
                self._report(seen, scope, _OK, body, began)
                return repeat.head + _lines([*default, *passing(seen, _OK)]), body
            admitted = self._repeats.admitted(known)
            return None if admitted is None else Begun(seen, began, asked.wish, admitted, known, scope)
        finally:
            exchange.current.reset(token)

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
            others = _lines([_length(body), *default, *passing(seen, status, dict(own))])
            return self._beginning(status, own) + others, body
        finally:
            self._report(seen, begun.scope, status, body, begun.began)

    def _begin(self, status: int, own: tuple[Header, ...]) -> bytes:
        """Return what every answer of this status and with these headers of its own begins with."""
        return STATUS_LINE[status] + _lines(self._headers.lasting(own))

    def _report(self, seen: Exchange, scope: Scope, status: int, body: bytes, began: float) -> None:
        seconds = perf_counter() - began
        for report in self._reports:
            report(seen, scope, status, len(body), seconds)


def _length(body: bytes) -> Header:
    return b"content-length", b"%d" % len(body)


def _lines(headers: Iterable[Header]) -> bytes:
    """Return headers as they are sent; all of them are the server's own, so none has a line's end in it."""
    return b"".join([b"%b: %b\r\n" % header for header in headers])
