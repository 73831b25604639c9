"""Who may ask the API and what: scopes, rates, proxies, origins."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import TypeAlias
from urllib.parse import urlsplit

from btcql.errors import SettingError

# One per capability: what is read, and the two ways to read it that cost the server most.
SCOPES = ("prices", "forecasts", "pipeline", "subscriptions", "export")
ANY_ORIGIN = "*"
Network: TypeAlias = IPv4Network | IPv6Network
UNLIMITED = "unlimited"
_MOST_RATE = 2**31 - 1  # the database's integer


@dataclass(frozen=True)
class Access:
    """The operator's rules. Without `anonymous_scopes` all need a key; rate: cost a minute, or None."""

    anonymous_scopes: frozenset[str]
    anonymous_rate: int | None
    trusted_proxies: tuple[Network, ...]
    origins: tuple[str, ...]


def parse_scopes(text: str, what: str) -> frozenset[str]:
    """Return the scopes of a list by commas, none if it is empty.

    Raises SettingError, which names `what` (the setting or option), for one that there is not.
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in SCOPES:
            raise SettingError(f"{what}: {name!r} is not a scope; the scopes are {', '.join(SCOPES)}")
    return frozenset(names)


def parse_rate(text: str, what: str) -> int | None:
    """Return a rate in cost a minute, None for `unlimited`; raises SettingError, which names `what`."""
    if text == UNLIMITED:
        return None
    if text.isascii() and text.isdecimal() and 0 < int(text) <= _MOST_RATE:
        return int(text)
    raise SettingError(
        f"{what}: {text!r} is not a rate: give the cost allowed a minute, 1 to {_MOST_RATE:,}, or {UNLIMITED}"
    )


def parse_networks(text: str, what: str) -> tuple[Network, ...]:
    """Return the addresses and networks of a list by commas; raises SettingError, which names `what`."""
    found = []
    for name in filter(None, map(str.strip, text.split(","))):
        try:
            found.append(ip_network(name))
        except ValueError as error:
            raise SettingError(
                f"{what}: {name!r} is no address or network ({error}): give 10.0.0.1 or 10.0.0.0/24"
            ) from None
    return tuple(found)


def parse_origins(text: str, what: str) -> tuple[str, ...]:
    """Return the web origins of a list by commas, `*` for any; raises SettingError, which names `what`."""
    origins = tuple(filter(None, map(str.strip, text.split(","))))
    for origin in origins:
        if origin == ANY_ORIGIN:
            continue
        parts = urlsplit(origin)
        if (
            parts.scheme not in {"http", "https"}
            or origin != f"{parts.scheme}://{parts.netloc}"
            or not parts.netloc
        ):
            raise SettingError(f"{what}: {origin!r} is not an origin: give https://example.org, or *")
    return origins
