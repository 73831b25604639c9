"""Whole ranges from each exchange, through ccxt's own client: the right bars exactly once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from btcql.errors import SourceError
from btcql.records import Timeframe
from etl.sources.venue import VENUES
from tests.exchange.conftest import NOW, Connect
from tests.exchange.market import Bar, bar
from tests.exchange.server import Exchanges, Fault

WINDOWED = ("bitstamp", "coinbase")
PAGED = (*WINDOWED, "binance")


def expected(start: datetime, end: datetime, minutes: int = 60) -> list[Bar]:
    stamps = range(int(start.timestamp()), int(end.timestamp()), minutes * 60)
    return [bar(stamp, minutes) for stamp in stamps]


def rows(table: pa.Table) -> list[Any]:
    columns = table.to_pydict()
    stamps = [int(ts.timestamp()) for ts in columns.pop("ts")]
    return list(zip(stamps, *columns.values(), strict=True))


@pytest.mark.parametrize("name", PAGED)
def test_over_five_thousand_bars_come_page_by_page(connect: Connect, served: Exchanges, name: str) -> None:
    start, end = datetime(2023, 8, 1, tzinfo=UTC), datetime(2024, 3, 1, tzinfo=UTC)
    shares: list[float] = []
    fetched = connect(name).fetch("BTC-USD", Timeframe.HOUR, start, end, shares.append)
    assert rows(fetched.table) == expected(start, end)
    assert fetched.table.num_rows == 5112
    assert fetched.pages == -(-5112 // VENUES[name].page) == len(served.asked_for_bars())
    assert shares == sorted(set(shares))
    assert len(shares) == fetched.pages - 1
    assert 0 < shares[0] < shares[-1] < 1
    assert fetched.notices == ()


@pytest.mark.parametrize("name", VENUES)
@pytest.mark.parametrize("timeframe", Timeframe)
def test_the_forming_bar_is_left_out_by_the_exchanges_own_clock(
    connect: Connect, name: str, timeframe: Timeframe
) -> None:
    start, end = NOW - timedelta(hours=5, minutes=30), datetime(2024, 4, 1, tzinfo=UTC)
    if timeframe is Timeframe.DAY:
        start -= timedelta(days=20)
    fetched = connect(name).fetch("BTC-USD", timeframe, start, end)
    closed = {Timeframe.MINUTE: NOW, Timeframe.HOUR: NOW.replace(minute=0)}.get(
        timeframe, datetime(2024, 3, 10, tzinfo=UTC)
    )
    assert rows(fetched.table) == expected(start, closed, timeframe.minutes)
    assert fetched.now == NOW


@pytest.mark.parametrize("name", VENUES)
def test_any_listed_symbol_is_found(connect: Connect, name: str) -> None:
    exchange = connect(name)
    for symbol in ("BTC-USD", "BTC-EUR", "ETH-USD", "BTC-USDT"):
        assert exchange.market(symbol) == symbol.replace("-", "/")


@pytest.mark.parametrize("name", VENUES)
def test_a_symbol_that_is_not_listed_is_named_with_similar_ones(connect: Connect, name: str) -> None:
    with pytest.raises(SourceError, match=f"{name} does not list BTC-USX; similar ones: .*BTC-USD"):
        connect(name).market("BTC-USX")


BENDS = {
    "newest first": lambda bars: bars[::-1],
    "shuffled": lambda bars: bars[1::2] + bars[::2],
    "each twice": lambda bars: [again for one in bars for again in (one, one)],
    "with bars from before": lambda bars: [bar(bars[0][0] - 3600 * n, 60) for n in (3, 2, 1)] + bars,
    "with bars from beyond": lambda bars: bars + [bar(bars[-1][0] + 3600 * n, 60) for n in (1, 2)],
    "cut short": lambda bars: bars[: len(bars) // 3],
}


@pytest.mark.parametrize("bend", BENDS.values(), ids=BENDS.keys())
@pytest.mark.parametrize("name", PAGED)
def test_odd_pages_still_give_each_bar_once(
    connect: Connect, served: Exchanges, name: str, bend: Any
) -> None:
    start, end = datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 3, 1, tzinfo=UTC)
    exchange = connect(name)
    exchange.market("BTC-USD")
    served.meet(Fault(bend=bend), times=2)
    assert rows(exchange.fetch("BTC-USD", Timeframe.HOUR, start, end).table) == expected(start, end)
    assert not served.faults


@pytest.mark.parametrize("name", PAGED)
def test_a_page_given_again_is_asked_for_once_more(
    connect: Connect, served: Exchanges, waits: list[float], name: str
) -> None:
    start, end = datetime(2023, 12, 1, tzinfo=UTC), datetime(2024, 3, 1, tzinfo=UTC)
    exchange = connect(name)
    exchange.market("BTC-USD")
    first_page = expected(start, start + timedelta(hours=100))
    served.meet(Fault())
    served.meet(Fault(bend=lambda _: first_page), times=2)
    assert rows(exchange.fetch("BTC-USD", Timeframe.HOUR, start, end).table) == expected(start, end)
    assert len(waits) == 2


@pytest.mark.parametrize("name", PAGED)
def test_an_empty_page_is_believed_when_it_comes_twice(
    connect: Connect, served: Exchanges, name: str
) -> None:
    start, end = datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 3, 1, tzinfo=UTC)
    exchange = connect(name)
    exchange.market("BTC-USD")
    served.meet(Fault(bend=lambda _: []))
    assert rows(exchange.fetch("BTC-USD", Timeframe.HOUR, start, end).table) == expected(start, end)


@pytest.mark.parametrize("name", PAGED)
def test_holes_are_said_and_the_bars_behind_them_come(connect: Connect, served: Exchanges, name: str) -> None:
    start, end = datetime(2023, 10, 1, tzinfo=UTC), datetime(2024, 3, 1, tzinfo=UTC)
    long, short = datetime(2023, 10, 3, tzinfo=UTC), datetime(2024, 2, 20, 7, tzinfo=UTC)
    served.markets["BTC-USD"].holes = [(long, long + timedelta(days=60)), (short, short + timedelta(hours=2))]
    fetched = connect(name).fetch("BTC-USD", Timeframe.HOUR, start, end)
    assert rows(fetched.table) == [
        *expected(start, long),
        *expected(long + timedelta(days=60), short),
        *expected(short + timedelta(hours=2), end),
    ]
    (notice,) = fetched.notices
    assert notice == (
        f"{name} BTC-USD 1h: 1,442 of 3,648 bars are missing, 2023-10-03T00:00Z to 2023-12-02T00:00Z"
        " and 1 more stretches"
    )


def test_kraken_says_that_it_has_only_its_last_bars(connect: Connect) -> None:
    kraken = connect("kraken")
    start, end = datetime(2024, 2, 1, tzinfo=UTC), datetime(2024, 3, 1, tzinfo=UTC)
    fetched = kraken.fetch("BTC-USD", Timeframe.HOUR, start, end)
    since = NOW.replace(minute=0) - timedelta(hours=719)
    assert rows(fetched.table) == expected(since, end)
    assert fetched.notices == (
        "kraken BTC-USD 1h: only the last 720 bars are given, from 2024-02-09T06:00Z on",
    )
    assert kraken.oldest(Timeframe.HOUR, NOW) == datetime(2024, 2, 10, tzinfo=UTC)
    with pytest.raises(SourceError, match="kraken gives only its last 720 bars of 1h: none of BTC-USD"):
        kraken.fetch("BTC-USD", Timeframe.HOUR, datetime(2024, 1, 1, tzinfo=UTC), start)


@pytest.mark.parametrize("name", PAGED)
def test_the_first_day_of_a_market_is_found(connect: Connect, served: Exchanges, name: str) -> None:
    begins = datetime(2021, 6, 4, tzinfo=UTC)
    served.markets["ETH-USD"].begins = begins
    since = datetime(2012, 1, 1, tzinfo=UTC)
    assert connect(name).first_day("ETH-USD", since, NOW) == begins
    assert connect(name).first_day("ETH-USD", since, datetime(2020, 1, 1, tzinfo=UTC)) in (None, begins)


def test_a_decimal_comes_as_it_was_written(connect: Connect, served: Exchanges) -> None:
    start = datetime(2024, 3, 1, tzinfo=UTC)
    body = (
        f'{{"data": {{"pair": "BTC/USD", "ohlc": [{{"timestamp": "{int(start.timestamp())}", "open": '
        '"61234.567890123", "high": "61234.5678901234", "low": "0.00000001", "close": "0.1", '
        '"volume": "12.34567891"}]}}'
    )
    exchange = connect("bitstamp")
    exchange.market("BTC-USD")
    served.meet(Fault(body=body))
    table = exchange.fetch("BTC-USD", Timeframe.HOUR, start, start + timedelta(hours=1)).table
    assert rows(table)[0][1:] == (61234.567890123, 61234.5678901234, 0.00000001, 0.1, 12.34567891)
