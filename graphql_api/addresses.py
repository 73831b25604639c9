"""Where a request comes from, as far as that can be believed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network

from btcql.access import Network

UNKNOWN = "unknown"  # the peer of a Unix socket
_KEPT = 4096
_SITE = 64  # bits of IPv6 that one customer is given at least


def client_address(peer: str | None, forwarded: Sequence[str], trusted: Sequence[Network]) -> str:
    """Return the client's address: the peer's, or what a trusted proxy says.

    `forwarded` are the values of X-Forwarded-For in their order. Each proxy adds on the right whom it was
    asked by, so that the first address from there that is no trusted proxy's is the client's; what stands
    left of it anybody may have written.
    """
    if not forwarded or not trusted:
        return _written(peer or UNKNOWN)
    address = peer or UNKNOWN
    chain = [part.strip() for value in forwarded for part in value.split(",")]
    while chain and _is_trusted(address, trusted):
        candidate = _plain(chain.pop())
        if candidate is None:
            break
        address = candidate
    return _written(address)


@lru_cache(_KEPT)
def limited_as(address: str) -> str:
    """Return what an address is limited as: 64 bits of IPv6 as one, for their owner may use all."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        return str(ip_network((parsed, _SITE), strict=False))
    return address


def _is_trusted(address: str, trusted: Sequence[Network]) -> bool:
    plain = _plain(address)
    return plain is not None and any(ip_address(plain) in network for network in trusted)


@lru_cache(_KEPT)
def _written(address: str) -> str:
    return _plain(address) or address


def _plain(text: str) -> str | None:
    """Return an address as it is written shortest, without a port; None if it is none."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        parsed = ip_address(text)
    except ValueError:
        return None
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped:
            return str(parsed.ipv4_mapped)
        return str(IPv6Address(int(parsed)))  # without a zone
    return str(parsed)
