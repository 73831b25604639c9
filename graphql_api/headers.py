"""The headers that belong on every answer, whatever answers."""

from __future__ import annotations

from collections.abc import Container, Iterable
from functools import lru_cache
from typing import TypeAlias

from graphql_api.exchange import Exchange

Header: TypeAlias = tuple[bytes, bytes]

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


class AnswerHeaders:
    """What is added to an answer's own headers; `any_origin`: pages of any origin may ask."""

    def __init__(self, *, any_origin: bool) -> None:
        policy = b"cross-origin" if any_origin else b"same-origin"
        self._headers = (*_SECURITY, (b"cross-origin-resource-policy", policy))
        self._names = [name for name, _ in self._headers]

    def complete(self, given: Iterable[Header], seen: Exchange, status: int) -> list[Header]:
        """Return an answer's headers with all that belongs on it."""
        headers = list(given)
        names = dict(headers)
        return [*self.lasting(headers, gated=seen.gated), *passing(seen, status, names)]

    def lasting(self, given: Iterable[Header], *, gated: bool = True) -> list[Header]:
        """Return those that are the same on every answer with these own headers.

        `gated`: whether it mattered who asks.
        """
        headers = list(given)
        names = dict(headers)
        lacking = self._headers
        if not names.keys().isdisjoint(self._names):
            lacking = tuple(header for header in lacking if header[0] not in names)
        headers += lacking
        _vary(headers, _VARYING if gated else (b"origin",))
        return headers


def passing(seen: Exchange, status: int, names: Container[bytes] = ()) -> list[Header]:
    """Return the headers of one answer alone; `names` are those that it has already."""
    headers = [(b"x-request-id", seen.request_id.encode())]
    if not seen.gated:
        return headers
    if status == _MISSING_KEY:
        headers.append((b"www-authenticate", b'Bearer realm="btcql"'))
    if (standing := seen.standing) is not None:
        name = seen.policy
        headers += [
            (b"ratelimit-policy", f'"{name}";q={standing.rate};w=60'.encode()),
            (b"ratelimit", f'"{name}";r={standing.remaining};t={standing.wait or standing.full_in}'.encode()),
        ]
        if status == _TOO_MANY and b"retry-after" not in names:
            headers.append((b"retry-after", b"%d" % standing.wait))
    return headers


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
