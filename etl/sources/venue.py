"""The exchanges that bars can be fetched from, and how each gives them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from btcql.errors import SettingError

Rows = list[list[Any]]


@dataclass(frozen=True, slots=True)
class Venue:
    """One exchange.

    `client` is ccxt's name of it; `probe` an address that answers at once, below `host`; `page` the most
    bars of one answer. `windowed`: bars are asked for by both ends, so that an empty answer says nothing
    about later ones. `keeps`: only so many of the newest bars are given. `rows` takes the bars out of an
    answer, each as its values in the exchange's order, and raises (KeyError, TypeError, ...) for another.
    """

    name: str
    client: str
    host: str
    probe: str
    page: int
    windowed: bool
    rows: Callable[[Any], Rows]
    keeps: int | None = None

    def at(self, base_url: str) -> str:
        """Return the address that stands for the exchange's host: its own, or below `base_url`."""
        return f"{base_url.rstrip('/')}/{self.name}" if base_url else self.host

    def moved(self, address: str, base_url: str) -> str:
        """Return an address of the exchange's as it is reached by way of `base_url`."""
        return self.at(base_url) + urlsplit(address).path if base_url else address


def _bitstamp(answer: Any) -> Rows:
    names = ("timestamp", "open", "high", "low", "close", "volume")
    return [[bar[name] for name in names] for bar in answer["data"]["ohlc"]]


def _listed(answer: Any) -> Rows:
    if not isinstance(answer, list):
        raise TypeError("the answer is no list of bars")
    return [bar[:6] for bar in answer]


def _kraken(answer: Any) -> Rows:
    (bars,) = (value for key, value in answer["result"].items() if key != "last")
    return [[*bar[:5], bar[6]] for bar in bars]


def is_local(base_url: str) -> bool:
    """Whether the address is this machine's own, to which no proxy leads."""
    return urlsplit(base_url).hostname in {"127.0.0.1", "::1", "localhost"}


VENUES = {
    venue.name: venue
    for venue in (
        Venue(
            "bitstamp",
            "bitstamp",
            "https://www.bitstamp.net",
            "/api/v2/ohlc/btcusd/?step=86400&limit=1",
            1000,
            windowed=True,
            rows=_bitstamp,
        ),
        Venue(
            "coinbase",
            "coinbaseexchange",
            "https://api.exchange.coinbase.com",
            "/time",
            300,
            windowed=True,
            rows=_listed,
        ),
        Venue(
            "kraken",
            "kraken",
            "https://api.kraken.com",
            "/0/public/Time",
            720,
            windowed=False,
            rows=_kraken,
            keeps=720,
        ),
        Venue(
            "binance",
            "binance",
            "https://api.binance.com",
            "/api/v3/time",
            1000,
            windowed=False,
            rows=_listed,
        ),
    )
}


def venue(name: str) -> Venue:
    """Return the exchange of this name; SettingError, naming those there are, for any other."""
    if name not in VENUES:
        raise SettingError(f"source {name!r} is no exchange that btcql asks: give {', '.join(VENUES)}")
    return VENUES[name]
