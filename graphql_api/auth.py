"""Who asks, what they may ask, and how much of it: every route passes through here before it reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from starlette.requests import HTTPConnection
from starlette.types import Scope

from btcql.access import SCOPES, Access
from btcql.errors import QueryError
from btcql.tokens import digest
from database.readers.keys import KeyFacts
from graphql_api import exchange
from graphql_api.addresses import client_address, limited_as
from graphql_api.exchange import Exchange
from graphql_api.keyring import KeyRing
from graphql_api.limiter import Limiter, Standing

ALL_SCOPES = frozenset(SCOPES)
MIN_COST = 1  # of any request
_KEPT = 4096  # clients without a key, each made once
_STRANGERS = 60  # keys not known yet that one address may show in a minute: each asks the database
_TELLING = {b"authorization", b"x-api-key", b"x-forwarded-for"}  # headers that tell who asks


@dataclass(frozen=True)
class Client:
    """Who asks. rate: cost a minute, None without a limit; bucket: what its costs are counted under.

    keyed: whether it showed a key.
    """

    name: str
    scopes: frozenset[str] = ALL_SCOPES
    rate: int | None = None
    bucket: str = ""
    keyed: bool = False


ANYBODY = Client("anonymous")


class Shown(NamedTuple):
    """By what a request says who makes it: the hash of its key, else whom it was forwarded for."""

    sha256: bytes | None = None
    forwarded: tuple[str, ...] = ()


_NOTHING = Shown()


def read_shown(scope: Scope) -> Shown | None:
    """Return by what a request says who makes it; None: by nothing that can be anybody's."""
    if _TELLING.isdisjoint(dict(scope["headers"])):
        return _NOTHING
    connection = HTTPConnection(scope)
    try:
        text = _key_of(connection)
    except QueryError:
        return None
    if text is None:
        return Shown(forwarded=tuple(connection.headers.getlist("x-forwarded-for")))
    sha256 = digest(text)
    return None if sha256 is None else Shown(sha256)


class Gate:
    """Identifies clients, by a key or else by their address; refuses; and charges their rate limits."""

    def __init__(self, access: Access, keys: KeyRing) -> None:
        self._access, self._keys = access, keys
        self._limiter = Limiter()
        self._strangers = Limiter()
        self._anonymous = lru_cache(_KEPT)(self._anybody_at)

    async def identify(self, connection: HTTPConnection, key: str | None = None) -> Client:
        """Return who asks; `key` comes another way than by a header, as in a socket's first message.

        Raises QueryError: UNAUTHENTICATED without a key that there is, if one is given or needed;
        RATE_LIMITED for too many wrong ones; and what Pool.run raises, for a key cannot be known then.
        """
        current = exchange.current.get()
        if current is not None:
            current.gated = True
        peer = connection.client.host if connection.client else None
        forwarded = connection.headers.getlist("x-forwarded-for")
        text = key or _key_of(connection)
        if text is not None:
            client = await self._of_key(text, self._address(peer, forwarded))
        elif self._access.anonymous_scopes:
            client = self._anybody(peer, forwarded)
        else:
            raise QueryError(
                "UNAUTHENTICATED",
                "this server answers to API keys only: send one as Authorization: Bearer <key>",
            )
        if current is not None:
            introduce(client, current)
        return client

    def recall(self, shown: Shown, peer: str | None) -> Client | None:
        """Return who asks, as `identify` would, if that takes no question to the database; else None.

        Unlike there, it is the caller's to `introduce` the client.
        """
        if shown.sha256 is not None:
            facts = self._keys.recall(shown.sha256)
            return None if facts is None else _client_of(facts)
        return self._anybody(peer, shown.forwarded) if self._access.anonymous_scopes else None

    def _address(self, peer: str | None, forwarded: Sequence[str]) -> str:
        return limited_as(client_address(peer, forwarded, self._access.trusted_proxies))

    def _anybody(self, peer: str | None, forwarded: Sequence[str]) -> Client:
        """Return who asks without a key; of what strangers write nothing is kept but addresses."""
        trusted = self._access.trusted_proxies
        return self._anonymous(client_address(peer, forwarded, trusted) if forwarded and trusted else peer)

    def _anybody_at(self, address: str | None) -> Client:
        access = self._access
        bucket = f"address {self._address(address, ())}"
        return Client("anonymous", access.anonymous_scopes, access.anonymous_rate, bucket)

    async def _of_key(self, text: str, address: str) -> Client:
        sha256 = digest(text)
        if sha256 is not None and not self._keys.knows(sha256):
            self._allow(
                self._strangers.take(address, _STRANGERS, 1), "too many unknown API keys come from here"
            )
        facts = None if sha256 is None else await self._keys.find(sha256)
        if facts is None:
            raise QueryError("UNAUTHENTICATED", "the API key is none of this server's, or it was revoked")
        return _client_of(facts)

    @staticmethod
    def require(client: Client, needed: Mapping[str, str]) -> None:
        """Raise QueryError (FORBIDDEN) for scopes that the client lacks; each is needed by what is named."""
        lacking = sorted(needed.keys() - client.scopes)
        if lacking:
            told = ", ".join(f"{needed[scope]} needs the scope {scope!r}" for scope in lacking)
            raise QueryError(
                "FORBIDDEN",
                f"{told}, which {client.name} has not: use an API key that has it",
                scopes=lacking,
            )

    def charge(self, client: Client, cost: int, paid: int = 0) -> None:
        """Charge to the client what a request costs, less what it has `paid` already.

        Raises QueryError (RATE_LIMITED, retryAfter in seconds), charging nothing.
        """
        current = exchange.current.get()
        standing = self.take(client, cost, paid)
        if current is not None:
            current.standing = standing
        if standing is not None:
            self._allow(standing, f"a cost of {cost:,} is more than what is left of {client.rate:,} a minute")
        if current is not None:
            current.cost += cost - paid

    def take(self, client: Client, cost: int, paid: int = 0) -> Standing | None:
        """Take what a request costs from what the client has left, if that is enough; return how it stands.

        None: it has no limit.
        """
        return None if client.rate is None else self._limiter.take(client.bucket, client.rate, cost, paid)

    @staticmethod
    def _allow(standing: Standing, why: str) -> None:
        if not standing.allowed:
            raise QueryError(
                "RATE_LIMITED", f"{why}: ask again in {standing.wait} seconds", retryAfter=standing.wait
            )


def _client_of(facts: KeyFacts) -> Client:
    return Client(facts.name, facts.scopes, facts.rate, f"key {facts.key_id}", keyed=True)


def introduce(client: Client, seen: Exchange) -> None:
    """Say who makes a request."""
    seen.gated = True
    seen.client = client.name
    seen.policy = "key" if client.keyed else "anonymous"


def _key_of(connection: HTTPConnection) -> str | None:
    """Return the key that came with the request; other schemes of Authorization are a proxy's own affair."""
    scheme, _, given = connection.headers.get("authorization", "").partition(" ")
    bearer = given.strip() if scheme.lower() == "bearer" else None
    plain = connection.headers.get("x-api-key")
    if bearer is not None and plain is not None and bearer != plain:
        raise QueryError(
            "UNAUTHENTICATED", "Authorization and X-API-Key hold different keys: send one of them"
        )
    return plain if bearer is None else bearer
