"""Kaggle's "Bitcoin Historical Data": minutes of Bitstamp since 2012, in both its forms."""

from __future__ import annotations

import re

from etl.sources.layout import COLUMNS, Layout, Origin, below_header
from etl.sources.symbols import market
from etl.sources.text import Head

_BASE = re.compile(r"volume_\((\w+)\)")
_IN_QUOTE = "volume_(currency)"
# bitstampUSD_1-min_data_2012-01-01_to_2021-03-31.csv, coinbaseUSD_1-min_data_...
_OLDER_NAME = re.compile(r"([a-z]+)([A-Z]{3})_1-min_data")
_NEWER_NAME = re.compile(r"btcusd_1-min_data", re.IGNORECASE)


def recognise(head: Head) -> Layout | None:
    """Tell the older files by their columns, the newer ones, whose columns are plain, by their name."""
    names = [name.lower() for name in head.lines[0][1]]
    if "weighted_price" in names:
        bases = [found[1].upper() for name in names if name != _IN_QUOTE and (found := _BASE.fullmatch(name))]
        if len(bases) == 1:
            volume = f"volume_({bases[0].lower()})"
            return below_header(head, 0, _origin(head, bases[0]), {"volume": volume}, empty_rows=True)
    if set(COLUMNS) <= set(names) and any(map(_NEWER_NAME.match, head.names)):
        origin = Origin("Kaggle's Bitstamp minutes", "bitstamp", "BTC-USD")
        return below_header(head, 0, origin, empty_rows=True)
    return None


def _origin(head: Head, base: str) -> Origin:
    """Read the exchange and the currency from the name; Bitstamp's dollars are what was published most."""
    for name in head.names:
        found = _OLDER_NAME.match(name)
        if found:
            return Origin("Kaggle's older minutes", found[1], market(f"{base}-{found[2]}"))
    return Origin("Kaggle's older minutes", "bitstamp", f"{base}-USD")
