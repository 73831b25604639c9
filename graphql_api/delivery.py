"""An answer on its way: tag, lifetime, compression, and what a cache in between has to know.

Only answers without errors to GET may be kept by others: `private` if the client showed a key, for others may
see less. A tag is of the bytes as sent, so a compressed answer's is another's.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import orjson
from starlette.requests import Request
from starlette.responses import Response

from graphql_api.answering import Found
from graphql_api.encoding import Encoded
from graphql_api.lifetime import cache_control

VARY = "accept, accept-encoding"


async def deliver(
    request: Request, encoded: Encoded, status: int, headers: Mapping[str, str], media_type: str
) -> Response:
    """Return the response with these bytes, compressed where the client takes it and it pays."""
    body = encoded.body
    own = {"cache-control": "no-store", "vary": VARY, **headers}
    if encoded.is_worth_compressing and takes_gzip(request.headers.get("accept-encoding", "")):
        body = await encoded.compressed()
        own["content-encoding"] = "gzip"
    response = Response(body, status)
    response.raw_headers += _encoded((*own.items(), ("content-type", f"{media_type}; charset=utf-8")))
    return response


async def deliver_found(
    request: Request, found: Found, now: int, media_type: str, *, shared: bool
) -> Response:
    """Return the response with an answer, or 304 where the client has it; `shared`: it may be anyone's."""
    kept = found.kept
    if (age := found.stale_age) is not None:
        encoded = Encoded(with_warning(kept.encoded.body, age))
        headers = {"age": str(age), "warning": '110 - "Response is Stale"'}
        return await deliver(request, encoded, 200, headers, media_type)
    if request.method != "GET":
        return await deliver(request, kept.encoded, 200, {}, media_type)
    compressed = kept.encoded.is_worth_compressing and takes_gzip(request.headers.get("accept-encoding", ""))
    tag = f'"{kept.encoded.tag}{"-gzip" if compressed else ""}"'
    headers = {"etag": tag, "cache-control": cache_control(kept.lifetime.closed_until, now, shared=shared)}
    if has_tag(request.headers.get("if-none-match", ""), tag):
        return Response(status_code=304, headers={**headers, "vary": VARY})
    return await deliver(request, kept.encoded, 200, headers, media_type)


@lru_cache(maxsize=64)
def _encoded(headers: tuple[tuple[str, str], ...]) -> list[tuple[bytes, bytes]]:
    """Return headers as they are sent: most answers have the same."""
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]


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
