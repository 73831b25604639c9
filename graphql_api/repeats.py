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
any other. What is known is kept here; `shortcut.py` asks before the application does, and `wire.py` before a
request is even parsed, where its head came before byte for byte too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import NamedTuple, TypeAlias
from weakref import ReferenceType, ref

from starlette.types import Message, Scope

from btcql import calendar
from graphql_api import exchange
from graphql_api.admission import Admitted
from graphql_api.answering import Answering
from graphql_api.auth import Client, Gate, Shown, introduce, read_shown
from graphql_api.cache import Kept, Question
from graphql_api.delivery import Wish
from graphql_api.exchange import Exchange
from graphql_api.limiter import Standing
from graphql_api.recent import Recent

PATH = "/graphql"
WHOLE = "whole"  # in a scope's state: the request's bytes, head and body, if they came at once and alone
_MATTER = {b"content-type", b"accept", b"accept-encoding"}
_KEPT = 1_000  # requests by their answers, and by all of their bytes
_ADMITTED = 256  # requests by their operations, whose documents take more room than their text
_KEPT_LENGTH = 10_000  # bytes of each: longer ones are read anew every time
_OK = 200
_BY_HASH = b"persistedQuery"  # a document that comes with its hash is to be kept: the endpoint sees to that
# Headers whose requests are not known as a whole: their ids differ every time, and what a page of another
# origin is told is added outside of what is remembered.
_PARSED = {b"x-request-id", b"traceparent", b"origin"}

Headers: TypeAlias = tuple[tuple[bytes, bytes], ...]


class Key(NamedTuple):
    """What a request is known by."""

    day: int
    scopes: frozenset[str]
    body: bytes
    headers: Headers


@dataclass(slots=True)
class Asked:
    """A request: its body, its headers that matter, how the answer is wanted, by whom as far as it says.

    key: what it was known by when it came last.
    """

    body: bytes
    headers: Headers
    wish: Wish
    shown: Shown
    key: Key | None = None


class Known(NamedTuple):
    """A request that may be known: who asks, when (epoch microseconds), and what it is known by."""

    client: Client
    now: int
    key: Key


class Recalled(NamedTuple):
    """A request that is answered with what is kept: who asked, how they stand, the answer's head and body."""

    client: Client
    standing: Standing | None
    repeat: Repeat
    body: bytes

    def tell(self, seen: Exchange) -> None:
        """Say so of the request that is `seen`."""
        introduce(self.client, seen)
        seen.standing = self.standing
        seen.operation, seen.cost = self.repeat.operation, self.repeat.cost
        seen.cache = "hit"


@dataclass(slots=True)
class Repeat:
    """How a request was answered: from what, with which headers of its own, what it ran and cost.

    head: what such an answer begins with every time, once that was made.
    """

    question: Question
    kept: ReferenceType[Kept]
    headers: Headers
    compressed: bool
    operation: str | None
    cost: int
    head: bytes | None = None


class Repeats:
    """The requests that are known; `now` tells epoch microseconds."""

    def __init__(self, gate: Gate, answering: Answering, now: Callable[[], int]) -> None:
        self._gate, self._answering, self._now = gate, answering, now
        self._whole: Recent[bytes, Asked] = Recent(_KEPT)
        self._answers: Recent[Key, Repeat] = Recent(_KEPT)
        self._admitted: Recent[Key, Admitted] = Recent(_ADMITTED)

    def find(self, whole: bytes) -> Asked | None:
        """Return the request that came in these bytes, head and body, if it came before."""
        return self._whole.get(_digest(whole)) if len(whole) <= _KEPT_LENGTH else None

    def recognize(self, asked: Asked, peer: str | None) -> Known | None:
        """Return what the request is known by, if who asks can be told at once."""
        client = self._gate.recall(asked.shown, peer)
        if client is None:
            return None
        now, key = self._now(), asked.key
        day, scopes = now // calendar.DAY, client.scopes
        if key is None or key.day != day or key.scopes != scopes:
            key = asked.key = Key(day, scopes, asked.body, asked.headers)
        return Known(client, now, key)

    def recall(self, known: Known) -> Recalled | None:
        """Return how the request was answered, if that is still how it is; it is charged."""
        repeat = self._answers.get(known.key)
        kept = None if repeat is None else repeat.kept()
        if repeat is None or kept is None or not self._answering.holds(repeat.question, kept, known.now):
            return None
        body = kept.encoded.at_hand(compressed=repeat.compressed)
        if body is None:
            return None
        standing = self._gate.take(known.client, repeat.cost)
        if standing is not None and not standing.allowed:
            return None  # the endpoint charges its least, and says why not
        return Recalled(known.client, standing, repeat, body)

    def admitted(self, known: Known, seen: Exchange) -> Admitted | None:
        """Return as what the request was admitted, and charge it, if it was and still may be."""
        admitted = self._admitted.get(known.key)
        if admitted is None:
            return None
        standing = self._gate.take(known.client, admitted.charge)
        if standing is not None and not standing.allowed:
            return None
        introduce(known.client, seen)
        seen.standing, seen.cost = standing, admitted.charge
        return admitted

    def remember(self, key: Key, status: int, headers: Headers) -> None:
        """Remember as what the request was admitted, and its answer if that was what is kept.

        `headers` are the answer's own but for its length: the layers around add theirs every time.
        """
        seen = exchange.current.get()
        if seen is None or (seen.admitted is None and seen.answered is None):
            return
        if key.day != self._now() // calendar.DAY:
            return
        if seen.admitted is not None:
            self._admitted.keep(key, seen.admitted)
        if seen.answered is not None and status == _OK:
            question, kept = seen.answered
            compressed = b"content-encoding" in dict(headers)
            repeat = Repeat(question, ref(kept), headers, compressed, seen.operation, seen.cost)
            self._answers.keep(key, repeat)

    def remember_whole(self, scope: Scope, asked: Asked) -> None:
        """Remember what a request's bytes say, if its connection told them."""
        whole: bytes | None = scope["state"].get(WHOLE) if "state" in scope else None
        if whole is not None and len(whole) <= _KEPT_LENGTH and _PARSED.isdisjoint(dict(scope["headers"])):
            self._whole.keep(_digest(whole), asked)


def _digest(whole: bytes) -> bytes:
    """Return what stands for a request's bytes: they may have a key in them, which nothing here keeps."""
    return sha256(whole).digest()


def read(scope: Scope, first: Message) -> Asked | None:
    """Return what a request asks; None: it is none of those that are known (rule 1)."""
    if first["type"] != "http.request" or first.get("more_body", False):
        return None
    body: bytes = first["body"]
    if len(body) > _KEPT_LENGTH or _BY_HASH in body:
        return None
    shown = read_shown(scope)
    if shown is None:
        return None
    headers = tuple(header for header in scope["headers"] if header[0] in _MATTER)
    encodings = b",".join(value for name, value in headers if name == b"accept-encoding")
    return Asked(body, headers, Wish("POST", encodings.decode("latin-1")), shown)
