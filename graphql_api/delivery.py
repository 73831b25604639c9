"""An answer on its way: tag, lifetime, compression, and what a cache in between has to know.

Only answers without errors to GET may be kept by others: `private` if the client showed a key, for others may
see less. A tag is of the bytes as sent, so a compressed answer's is another's.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

import orjson
from starlette.requests import Request
from starlette.responses import Response

from graphql_api.answering import Found
from graphql_api.encoding import Encoded
from graphql_api.headers import Header
from graphql_api.lifetime import cache_control

VARY = "accept, accept-encoding"


class Wish(NamedTuple):
    """How a client wants its answer: its request's method, Accept-Encoding and If-None-Match."""

    method: str
    encodings: str = ""
    if_none_match: str = ""

    @classmethod
    def of(cls, request: Request) -> Wish:
        """Return the wish of a request."""
        headers = request.headers
        encodings = ",".join(headers.getlist("accept-encoding"))
        return cls(request.method, encodings, headers.get("if-none-match", ""))


class Reply(NamedTuple):
    """An answer on its way; the headers are those of the answer itself, but for its length."""

    status: int
    headers: tuple[Header, ...]
    body: bytes

    def response(self) -> Response:
        """Return the response to send."""
        response = Response(self.body, self.status)
        response.raw_headers += self.headers
        return response


async def deliver(
    wish: Wish, encoded: Encoded, status: int, headers: Mapping[str, str], media_type: str
) -> Reply:
    """Return the reply with these bytes, compressed where the client takes it and it pays."""
    body = encoded.body
    own = {"cache-control": "no-store", "vary": VARY, **headers}
    if encoded.is_worth_compressing and takes_gzip(wish.encodings):
        body = await encoded.compressed()
        own["content-encoding"] = "gzip"
    return Reply(status, _encoded((*own.items(), ("content-type", f"{media_type}; charset=utf-8"))), body)


async def deliver_found(wish: Wish, found: Found, now: int, media_type: str, *, shared: bool) -> Reply:
    """Return the reply with an answer, or 304 where the client has it; `shared`: it may be anyone's."""
    kept = found.kept
    if (age := found.stale_age) is not None:
        encoded = Encoded(with_warning(kept.encoded.body, age))
        headers = {"age": str(age), "warning": '110 - "Response is Stale"'}
        return await deliver(wish, encoded, 200, headers, media_type)
    if wish.method != "GET":
        return await deliver(wish, kept.encoded, 200, {}, media_type)
    compressed = kept.encoded.is_worth_compressing and takes_gzip(wish.encodings)
    tag = f'"{kept.encoded.tag}{"-gzip" if compressed else ""}"'
    headers = {"etag": tag, "cache-control": cache_control(kept.lifetime.closed_until, now, shared=shared)}
    if has_tag(wish.if_none_match, tag):
        return Reply(304, _encoded((*headers.items(), ("vary", VARY))), b"")
    return await deliver(wish, kept.encoded, 200, headers, media_type)


@lru_cache(maxsize=64)
def _encoded(headers: tuple[tuple[str, str], ...]) -> tuple[Header, ...]:
    """Return headers as they are sent: most answers have the same."""
    return tuple((name.encode("latin-1"), value.encode("latin-1")) for name, value in headers)


@lru_cache(maxsize=64)
def takes_gzip(accepted: str) -> bool:
    """Return whether an Accept-Encoding header takes gzip: by its name, or else by `*`."""
    weights: dict[str, float] = {}
    for entry in accepted.lower().split(","):
        coding, *parameters = (part.strip() for part in entry.split(";"))
        quality = next((part[2:] for part in parameters if part.startswith("q=")), "1")
        try:
            weights[coding] = float(quality)
        except ValueError:
            weights[coding] = 0.0
    return weights.get("gzip", weights.get("*", 0.0)) > 0


def has_tag(if_none_match: str, tag: str) -> bool:
    """Return whether the header names the tag; weakly, as it is compared for GET."""
    named = {part.strip().removeprefix("W/") for part in if_none_match.split(",")}
    return tag in named or "*" in named


def with_warning(body: bytes, age: int) -> bytes:
    """Return an answer's bytes with one more warning in its extensions."""
    warning = {
        "code": "STALE",
        "message": f"the database could not be asked just now: this is the answer of {age} seconds ago",
    }
    answer = orjson.loads(body)
    warnings = answer.get("extensions", {}).get("warnings", [])
    return orjson.dumps(answer | {"extensions": {"warnings": [*warnings, warning]}})
