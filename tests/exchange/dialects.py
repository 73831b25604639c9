"""The wire formats of the four exchanges: the answers to what ccxt asks of each for bars."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tests.exchange.market import Bar, Market

Query = dict[str, str]


@dataclass
class Question:
    """A request for bars: those in [start, stop), at most `limit`; `answer` puts them into words."""

    symbol: str
    minutes: int
    start: int
    stop: int
    limit: int
    newest: bool
    answer: Callable[[list[Bar]], Any]


@dataclass
class Refused:
    """An answer that is an error of the exchange's own."""

    status: int
    body: Any


Reply = Question | Refused | dict[str, Any] | list[Any] | None
_END = 2**40


def bitstamp(path: str, query: Query, markets: dict[str, Market], now: datetime) -> Reply:
    pairs = {(m.base + m.quote).lower(): symbol for symbol, m in markets.items()}
    match path.strip("/").split("/"):
        case ["api", "v2", "markets"]:
            return [
                {
                    "name": f"{markets[symbol].base}/{markets[symbol].quote}",
                    "market_symbol": pair,
                    "base_currency": markets[symbol].base,
                    "base_decimals": 8,
                    "counter_currency": markets[symbol].quote,
                    "counter_decimals": 2,
                    "minimum_order_value": "10",
                    "trading": "Enabled",
                    "market_type": "SPOT",
                }
                for pair, symbol in pairs.items()
            ]
        case ["api", "v2", "ohlc", pair] if pair in pairs:
            start, step = int(query.get("start", "0")), int(query["step"])
            return Question(
                pairs[pair],
                step // 60,
                start,
                int(query.get("end", _END)) + 1,
                int(query["limit"]),
                "start" not in query,
                lambda bars: {
                    "data": {
                        "pair": f"{markets[pairs[pair]].base}/{markets[pairs[pair]].quote}",
                        "ohlc": [
                            {
                                "timestamp": str(stamp),
                                "open": f"{o:.2f}",
                                "high": f"{h:.2f}",
                                "low": f"{low:.2f}",
                                "close": f"{c:.2f}",
                                "volume": f"{v:.8f}",
                            }
                            for stamp, o, h, low, c, v in bars
                        ],
                    }
                },
            )
    return None


def coinbase(path: str, query: Query, markets: dict[str, Market], now: datetime) -> Reply:
    match path.strip("/").split("/"):
        case ["time"]:
            return {"iso": now.isoformat(), "epoch": now.timestamp()}
        case ["products"]:
            return [
                {
                    "id": symbol,
                    "base_currency": market.base,
                    "quote_currency": market.quote,
                    "quote_increment": "0.01",
                    "base_increment": "0.00000001",
                    "display_name": symbol.replace("-", "/"),
                    "min_market_funds": "1",
                    "margin_enabled": False,
                    "status": "online",
                    "status_message": "",
                    "trading_disabled": False,
                }
                for symbol, market in markets.items()
            ]
        case ["products", symbol, "candles"] if symbol in markets:
            seconds = int(query["granularity"])
            start, end = (int(datetime.fromisoformat(query[key]).timestamp()) for key in ("start", "end"))
            if (end - start) // seconds >= 300:
                message = "granularity too small for the requested time range. Count of aggregations "
                return Refused(400, {"message": message + "requested exceeds 300"})
            return Question(
                symbol,
                seconds // 60,
                start,
                end + 1,
                300,
                newest=False,
                answer=lambda bars: [[t, low, h, o, c, v] for t, o, h, low, c, v in reversed(bars)],
            )
    return None


_OLD = {"BTC": "XXBT", "ETH": "XETH", "USD": "ZUSD", "EUR": "ZEUR"}


def kraken(path: str, query: Query, markets: dict[str, Market], now: datetime) -> Reply:
    pairs = {_OLD.get(m.base, m.base) + _OLD.get(m.quote, m.quote): symbol for symbol, m in markets.items()}
    match path.strip("/").split("/"):
        case ["0", "public", "Time"]:
            return {"error": [], "result": {"unixtime": int(now.timestamp())}}
        case ["0", "public", "AssetPairs"]:
            listed = {
                pair: {
                    "altname": symbol.replace("BTC", "XBT").replace("-", ""),
                    "wsname": symbol.replace("BTC", "XBT").replace("-", "/"),
                    "base": _OLD.get(markets[symbol].base, markets[symbol].base),
                    "quote": _OLD.get(markets[symbol].quote, markets[symbol].quote),
                    "pair_decimals": 1,
                    "lot_decimals": 8,
                    "fees": [[0, 0.4]],
                    "fees_maker": [[0, 0.25]],
                    "ordermin": "0.0001",
                    "status": "online",
                }
                for pair, symbol in pairs.items()
            }
            return {"error": [], "result": listed}
        case ["0", "public", "OHLC"] if query["pair"] in pairs:
            pair, minutes = query["pair"], int(query["interval"])
            return Question(
                pairs[pair],
                minutes,
                max(int(query.get("since", "0")) + 1, int(now.timestamp()) - 720 * minutes * 60 + 1),
                _END,
                720,
                newest=True,
                answer=lambda bars: {
                    "error": [],
                    "result": {
                        pair: [
                            [
                                t,
                                *(f"{value:.2f}" for value in (o, h, low, c)),
                                f"{(h + low) / 2:.2f}",
                                f"{v:.8f}",
                                9,
                            ]
                            for t, o, h, low, c, v in bars
                        ],
                        "last": bars[-2][0] if len(bars) > 1 else 0,
                    },
                },
            )
    return None


def binance(path: str, query: Query, markets: dict[str, Market], now: datetime) -> Reply:
    pairs = {m.base + m.quote: symbol for symbol, m in markets.items()}
    match path.strip("/").split("/"):
        case ["api", "v3", "time"]:
            return {"serverTime": int(now.timestamp() * 1000)}
        case ["api", "v3", "exchangeInfo"]:
            return {
                "timezone": "UTC",
                "serverTime": int(now.timestamp() * 1000),
                "rateLimits": [],
                "symbols": [
                    {
                        "symbol": pair,
                        "status": "TRADING",
                        "baseAsset": markets[symbol].base,
                        "baseAssetPrecision": 8,
                        "quoteAsset": markets[symbol].quote,
                        "quotePrecision": 8,
                        "isSpotTradingAllowed": True,
                        "filters": [
                            {"filterType": "PRICE_FILTER", "minPrice": "0.01", "tickSize": "0.01"},
                            {"filterType": "LOT_SIZE", "minQty": "0.00001", "stepSize": "0.00001"},
                        ],
                        "permissions": ["SPOT"],
                    }
                    for pair, symbol in pairs.items()
                ],
            }
        case ["api", "v3", "klines"] if query["symbol"] in pairs:
            minutes = {"1m": 1, "1h": 60, "1d": 1440}[query["interval"]]
            return Question(
                pairs[query["symbol"]],
                minutes,
                -(-int(query.get("startTime", "0")) // 1000),
                int(query["endTime"]) // 1000 + 1 if "endTime" in query else _END,
                min(1000, int(query.get("limit", "500"))),
                "startTime" not in query,
                lambda bars: [
                    [
                        t * 1000,
                        *(f"{value:.8f}" for value in (o, h, low, c, v)),
                        (t + minutes * 60) * 1000 - 1,
                        f"{v * c:.8f}",
                        7,
                        "0.10000000",
                        "100.00000000",
                        "0",
                    ]
                    for t, o, h, low, c, v in bars
                ],
            )
    return None
