"""CryptoDataDownload: a line with its address first, newest bars first, seconds or milliseconds."""

from __future__ import annotations

import re

from btcql.errors import InputError
from etl.sources.layout import Layout, Origin, below_header
from etl.sources.symbols import market
from etl.sources.text import Head

_KIND = "CryptoDataDownload"
_STAMPS = ("unix", "unix timestamp", "date")
_OWN = {"symbol", "open", "high", "low", "close"}
# Bitstamp_BTCUSD_1h.csv, Binance_BTCUSDT_2020_minute.csv
_NAME = re.compile(r"([A-Za-z]+)_[A-Za-z0-9]+_\w+\.csv")


def recognise(head: Head) -> Layout | None:
    """Tell its files by the address in their first line, or by the columns that only they have."""
    signed = "cryptodatadownload" in ",".join(head.lines[0][1]).lower()
    at = 1 if signed else 0
    if len(head.lines) <= at:
        raise InputError(str(head.path), "has no header and no bars below its first line")
    names = [name.lower() for name in head.lines[at][1]]
    if not signed and not (set(names) >= _OWN and set(names) & set(_STAMPS[:2])):
        return None
    if "symbol" not in names:
        raise InputError(
            str(head.path),
            f"column symbol is missing: the header of {_KIND} must name it; found: {', '.join(names)[:200]}",
            head.lines[at][0],
        )
    if len(head.lines) <= at + 1:
        raise InputError(str(head.path), "has no bars: there is nothing below its header")
    place = names.index("symbol")
    first = head.lines[at + 1][1]
    pair = first[place] if len(first) > place else ""
    volume = _volume(names, pair)
    stamp = next((name for name in _STAMPS if name in names), _STAMPS[0])
    origin = Origin(_KIND, _source(head), market(pair))
    columns = {"timestamp": stamp, "volume": volume}
    return below_header(head, at, origin, columns, one_unit=False, market=place)


def _volume(names: list[str], pair: str) -> str:
    """Return the name of the volume in the market's base: BTCUSD begins with the BTC of Volume BTC."""
    volumes = [name for name in names if name.startswith("volume")]
    based = [name for name in volumes if pair.lower().startswith(name.removeprefix("volume").strip())]
    return max(based, key=len, default=volumes[0] if len(volumes) == 1 else f"volume {pair}")


def _source(head: Head) -> str | None:
    return next((found[1].lower() for name in head.names if (found := _NAME.match(name))), None)
