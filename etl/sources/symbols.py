"""Markets as exchanges and archives spell them: BTCUSDT, BTC/USD, btc_eur."""

from __future__ import annotations

import re

_QUOTES = ("FDUSD", "BUSD", "TUSD", "USDT", "USDC", "USDP", "USD", "DAI", "EUR", "GBP", "JPY", "KRW")
_MORE_QUOTES = ("TRY", "BRL", "AUD", "CAD", "CHF", "CNY", "INR", "PLN", "MXN", "ZAR", "BTC", "ETH", "BNB")
_BASES = frozenset({"BTC", "ETH", "BNB", "SOL", "XRP", "LTC", "BCH", "ADA", "DOGE"})
_PAIR = re.compile(r"([A-Z0-9]{2,20})[/_-]([A-Z0-9]{2,20})")


def market(text: str) -> str | None:
    """Return the symbol (BTC-USDT) that `text` spells, None where that would be a guess.

    SHIBUSD may be SHIB-USD or SHI-BUSD: two readings are one only if a well-known base decides.
    """
    text = text.strip().upper()
    pair = _PAIR.fullmatch(text)
    if pair:
        return f"{pair[1]}-{pair[2]}"
    readings = [
        (text.removesuffix(quote), quote)
        for quote in (*_QUOTES, *_MORE_QUOTES)
        if text.endswith(quote) and len(text) > len(quote) and text.isalnum()
    ]
    if len(readings) > 1:
        readings = [(base, quote) for base, quote in readings if base in _BASES]
    return "-".join(readings[0]) if len(readings) == 1 else None
