"""Binance's klines: twelve columns without a header (later files may have one), ms, from 2025 on us."""

from __future__ import annotations

import re

from btcql.records import Timeframe
from etl.sources.layout import COLUMNS, Layout, Origin, below_header
from etl.sources.symbols import market
from etl.sources.text import Head

_WIDTH = 12
_CLOSE_TIME = 6
_NUMBER = re.compile(r"\d+(\.\d+)?")
_EPOCH = re.compile(r"\d{13}|\d{16}")
# BTCUSDT-1m-2024-03.zip, BTCUSDT-1h-2024-03-13.csv
_NAME = re.compile(r"([A-Z0-9]+)-(\d+[a-zA-Z]+)-\d{4}-\d{2}(?!\d)")
_TIMEFRAMES = {frame.value: frame for frame in Timeframe}


def recognise(head: Head) -> Layout | None:
    """Tell klines by their twelve numbers, the first and the seventh epochs, or by their header."""
    line, row = head.lines[0]
    if row[0].lower() == "open_time":
        return below_header(head, 0, _origin(head), {"timestamp": "open_time"}, one_unit=False)
    epochs = row[0], row[_CLOSE_TIME] if len(row) == _WIDTH else ""
    if not all(map(_EPOCH.fullmatch, epochs)) or not all(map(_NUMBER.fullmatch, row)):
        return None
    places = {column: place for place, column in enumerate(COLUMNS)}
    return Layout(_origin(head), places, _WIDTH, skipped=line - 1, titles=0, one_unit=False)


def _origin(head: Head) -> Origin:
    """Read the market and the bars' length from the first of the file's names that tells them."""
    for name in head.names:
        found = _NAME.match(name)
        if found:
            return Origin("Binance klines", "binance", market(found[1]), _TIMEFRAMES.get(found[2]))
    return Origin("Binance klines", "binance")
