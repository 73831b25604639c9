"""Archives of every kind: how each is told, what it is taken for, and its own oddities."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from btcql.errors import InputError
from btcql.records import Timeframe
from etl.sources.detection import detect
from etl.sources.symbols import market
from lake.schema import microseconds
from tests.etl.files import HOUR, kaggle_row, kline, klines, zipped
from tests.etl.reading import read_bars, write

NOW = datetime(2026, 1, 1, tzinfo=UTC)
FIRST = 1730419200  # 2024-11-01, in seconds
OLDER = "Timestamp,Open,High,Low,Close,Volume_(BTC),Volume_(Currency),Weighted_Price\n"
NEWER = "Timestamp,Open,High,Low,Close,Volume\n"
NAMED = "unix,date,symbol,open,high,low,close,Volume BTC,Volume USD\n"
SIGNED = "https://www.CryptoDataDownload.com\n"
KLINE_HEADER = (
    "open_time,open,high,low,close,volume,close_time,quote_volume,count,"
    "taker_buy_volume,taker_buy_quote_volume,ignore\n"
)


def downloaded(hours: int, factor: int = 1, symbol: str = "BTC/USD", oldest: int = 0) -> str:
    """CryptoDataDownload's rows, newest first."""
    rows = [
        f"{(FIRST + HOUR * i) * factor},2024-11-01 00:00:00,{symbol},10,12,9,{10 + i % 3},1.5,15\n"
        for i in range(oldest, hours)
    ]
    return "".join(reversed(rows))


CASES = [
    ("BTCUSDT-1h-2024-11.csv", klines(FIRST, 5), "binance BTC-USDT 1h", "ms"),
    ("BTCUSDT-1h-2025-01.csv", klines(FIRST, 5, unit=1_000_000), "binance BTC-USDT 1h", "us"),
    ("ETHBTC-1h-2024-11-01.csv", KLINE_HEADER + klines(FIRST, 5), "binance ETH-BTC 1h", "a day, a header"),
    ("BTCUSDT-1h-2024-11.zip", zipped(klines(FIRST, 5)), "binance BTC-USDT 1h", "zip"),
    (
        "data.zip",
        zipped(klines(FIRST, 5), "BTCEUR-1h-2024-11.csv"),
        "binance BTC-EUR 1h",
        "its member's name",
    ),
    ("klines.csv", klines(FIRST, 5), "binance None None", "a name that tells nothing"),
    (
        "BTCUSDT-1h-2024.csv",
        klines(FIRST, 3) + klines(FIRST + 3 * HOUR, 2, unit=1_000_000),
        "binance None None",
        "years of either unit, one behind the other",
    ),
    (
        "bitstampUSD_1-min_data_2012-01-01_to_2021-03-31.csv",
        OLDER + "".join(kaggle_row(FIRST + HOUR * i) for i in range(5)),
        "bitstamp BTC-USD None",
        "Kaggle's older",
    ),
    (
        "coinbaseUSD_1-min_data_2014-12-01_to_2019-01-09.csv",
        OLDER + "".join(kaggle_row(FIRST + HOUR * i) for i in range(5)),
        "coinbase BTC-USD None",
        "its sister",
    ),
    (
        "btcusd_1-min_data.csv",
        NEWER + "".join(f"{FIRST + HOUR * i}.0,10,12,9,11,1.5\n" for i in range(5)),
        "bitstamp BTC-USD None",
        "Kaggle's newer",
    ),
    (
        "archive.zip",
        zipped(
            NEWER + "".join(f"{FIRST + HOUR * i},10,12,9,11,1.5\n" for i in range(5)), "btcusd_1-min_data.csv"
        ),
        "bitstamp BTC-USD None",
        "as it is downloaded",
    ),
    (
        "prices.csv",
        NEWER.upper() + "".join(f"{FIRST + HOUR * i}.0,10,12,9,11,1.5\n" for i in range(5)),
        "None BTC-USD None",
        "plain, in capitals",
    ),
    ("Bitstamp_BTCUSD_1h.csv", SIGNED + NAMED + downloaded(5), "bitstamp BTC-USD None", "CryptoDataDownload"),
    (
        "x.csv",
        SIGNED + NAMED.replace("BTC", "ETH") + downloaded(5, 1000, "ETHEUR"),
        "None ETH-EUR None",
        "no name, ms",
    ),
    (
        "gemini_BTCUSD_2024_1hr.csv",
        "Unix Timestamp,Date,Symbol,Open,High,Low,Close,Volume\n"
        + downloaded(5, 1000, "BTCUSD").replace(",15\n", "\n"),
        "gemini BTC-USD None",
        "without its first line",
    ),
    (
        "Binance_BTCUSDT_1h.csv",
        SIGNED + NAMED + downloaded(5, 1000, oldest=2) + downloaded(2),
        "binance BTC-USD None",
        "seconds below milliseconds",
    ),
]


FORMS = ("as it is", "with CRLF, a BOM and blank lines", "gzipped")
FORMED = [
    pytest.param(form, *case, id=f"{case[3]}, {form}")
    for case in CASES
    for form in FORMS
    if form == "as it is" or isinstance(case[1], str)
]


@pytest.mark.parametrize(("form", "name", "content", "origin", "why"), FORMED)
def test_a_kind_is_told_by_its_content_and_its_name(
    form: str, name: str, content: str | bytes, origin: str, why: str, tmp_path: Path
) -> None:
    if isinstance(content, str) and form == "gzipped":
        name, content = f"{name}.gz", gzip.compress(content.encode())
    elif isinstance(content, str) and form != "as it is":
        content = "\ufeff" + content.replace("\n", "\r\n") + "\r\n\r\n"
    path = write(tmp_path, content, name)
    found = detect(path).origin
    assert f"{found.source} {found.symbol} {found.timeframe}" == origin
    bars = read_bars(path, None, NOW)
    assert bars.timeframe is Timeframe.HOUR
    assert microseconds(bars.table).tolist() == [(FIRST + HOUR * i) * 1_000_000 for i in range(5)], why
    assert bars.table["volume"].to_pylist() == [1.5] * 5
    assert bars.table["high"].to_pylist() == [12.0] * 5
    assert [notice.split(":")[0] for notice in bars.notices] == (
        ["blank lines were skipped"] if "blank" in form else []
    )


def test_columns_are_found_by_name_wherever_they_stand(tmp_path: Path) -> None:
    swapped = SIGNED + "date,unix,symbol,Volume USD,Volume BTC,close,low,high,open\n"
    rows = [f"x,{FIRST + HOUR * i},BTC/USD,15,1.5,11,9,12,10\n" for i in range(3)]
    table = read_bars(write(tmp_path, swapped + "".join(rows)), None, NOW).table.to_pylist()
    assert [table[0][name] for name in ("open", "high", "low", "close", "volume")] == [10, 12, 9, 11, 1.5]


def test_minutes_without_trades_are_left_out_and_lines_still_count(tmp_path: Path) -> None:
    void = [f"{FIRST + 60 * i},NaN,NaN,NaN,NaN,NaN,NaN,NaN\n" for i in (1, 2)] + [f"{FIRST + 180},,,,,,,\n"]
    rows = [kaggle_row(FIRST), *void, kaggle_row(FIRST + 240), kaggle_row(FIRST + 300)]
    bars = read_bars(write(tmp_path, OLDER + "".join(rows)), None, NOW)
    assert bars.table.num_rows == 3
    assert bars.notices == ("empty rows, of times without trades, were left out: 3",)
    assert bars.complete_through == datetime(2024, 11, 1, 0, 6, tzinfo=UTC)
    for odd, reason in {
        kaggle_row(FIRST + 360).replace("12", "NaN"): "is not finite",
        kaggle_row(FIRST + 360).replace("12", "x"): "high 'x' is not a number",
        kaggle_row(FIRST + 360).replace("12", "1"): "high is below low",
        kaggle_row(FIRST + 300).replace("12", "13"): "a second bar",
        kaggle_row(FIRST + 361): "does not start a 1m bar",
    }.items():
        with pytest.raises(InputError, match="line 8: ") as refused:
            read_bars(write(tmp_path, OLDER + "".join([*rows, odd])), None, NOW)
        assert reason in refused.value.reason


def test_a_plain_file_has_no_rows_without_trades(tmp_path: Path) -> None:
    text = NEWER + f"{FIRST},10,12,9,11,1\n{FIRST + 60},NaN,NaN,NaN,NaN,NaN\n"
    with pytest.raises(InputError, match=r"line 3: .*not finite"):
        read_bars(write(tmp_path, text), None, NOW)


def test_another_market_in_the_same_file_is_refused_by_its_line(tmp_path: Path) -> None:
    rows = downloaded(3).splitlines(keepends=True)
    text = SIGNED + NAMED + rows[0].replace("BTC/USD", "BTCUSD") + rows[1].replace("BTC", "ETH") + rows[2]
    with pytest.raises(InputError, match="line 4: this row is of 'ETH/USD', the first one of BTC-USD"):
        read_bars(write(tmp_path, text), None, NOW)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (SIGNED, "no header and no bars below its first line"),
        (SIGNED + NAMED, "has no bars"),
        (SIGNED + NAMED.replace("symbol,", ""), "line 2: column symbol is missing"),
        (SIGNED + NAMED.replace("unix", "u").replace("date", "d") + "1,2", "line 2: column unix is missing"),
        (SIGNED + NAMED + downloaded(2, symbol="ETH/USD"), "line 2: column volume ETH/USD is missing"),
        (KLINE_HEADER, "has no bars"),
        (KLINE_HEADER.replace("close,", "", 1), "column close is missing: the header of Binance klines"),
        (kline(FIRST).replace(",0\n", "\n"), "of no kind that is known"),
        (klines(FIRST, 2) + kline(FIRST + 7200).replace("12", "1"), "line 3: high 1.0, low 9.0 disagree"),
        (klines(FIRST, 2) + "1730426400000,10,12\n", "line 3: 3 fields, where a row has 12"),
        (kline(FIRST, unit=1), "of no kind that is known"),
        ("a;b\n1;2\n", "begins with 'a;b'. Taken are CSV with the header timestamp,open,"),
    ],
)
def test_what_is_wrong_with_a_kind_is_said(text: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as refused:
        read_bars(write(tmp_path, text), None, NOW)
    assert reason in str(refused.value)


def test_the_timeframe_given_is_not_contradicted_by_the_name(tmp_path: Path) -> None:
    day = write(tmp_path, klines(FIRST, 1), "BTCUSDT-1h-2024-11.csv")
    assert read_bars(day, None, NOW).timeframe is Timeframe.HOUR
    assert read_bars(day, Timeframe.DAY, NOW).timeframe is Timeframe.DAY
    five = "".join(kline(FIRST + 300 * i) for i in range(9))
    with pytest.raises(InputError, match="5 minutes apart: only bars of 1m, 1h and 1d"):
        read_bars(write(tmp_path, five, "BTCUSDT-5m-2024-11.csv"), None, NOW)


@pytest.mark.parametrize(
    ("text", "symbol"),
    [
        ("BTCUSDT", "BTC-USDT"),
        ("BTCUSD", "BTC-USD"),
        ("btc/eur", "BTC-EUR"),
        ("ETH_BTC", "ETH-BTC"),
        ("BTCBUSD", "BTC-BUSD"),
        ("BNBUSD", "BNB-USD"),
        ("BTCFDUSD", "BTC-FDUSD"),
        ("SHIBUSD", None),
        ("BTC", None),
        ("bitcoin", None),
        ("", None),
    ],
)
def test_a_market_is_read_only_where_it_is_no_guess(text: str, symbol: str | None) -> None:
    assert market(text) == symbol


def test_an_odd_row_deep_in_a_file_costs_neither_bars_nor_its_line(tmp_path: Path) -> None:
    """What the fast reading cannot take is read slowly from there on, and each row once."""
    start = np.datetime64("2024-01-01T00:00", "m")
    rows = [f"{start + i}:00Z,42000.12,42001.5,41999.07,42000.9,{i % 97}.25\n" for i in range(75_000)]
    whole = read_bars(write(tmp_path, NEWER + "".join(rows)), None, NOW)
    rows[70_000] = rows[70_000].replace("Z", "")  # a time without its zone
    odd = read_bars(write(tmp_path, NEWER + "".join(rows)), None, NOW)
    assert odd.table.equals(whole.table)
    rows[74_000] = rows[74_000].replace("42000.12", "42000,12")
    with pytest.raises(InputError, match="line 74002: 7 fields, where a row has 6"):
        read_bars(write(tmp_path, NEWER + "".join(rows)), None, NOW)


def test_rows_in_any_order_give_the_same_bars(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    prices = (100 * np.exp(np.cumsum(random.normal(0, 0.01, 3000)))).round(2).tolist()
    rows = [f"{FIRST + HOUR * i},{price},{price},{price},{price},{i}\n" for i, price in enumerate(prices)]
    sorted_ = read_bars(write(tmp_path, NEWER + "".join(rows)), None, NOW).table
    newest_first = read_bars(write(tmp_path, NEWER + "".join(rows[::-1])), None, NOW)
    assert newest_first.table.equals(sorted_)
    assert newest_first.notices == ()
    mixed = [*random.permutation(rows), *rows[1000:1100]]
    shuffled = read_bars(write(tmp_path, NEWER + "".join(mixed)), None, NOW)
    assert shuffled.table.equals(sorted_)
    assert "repeated rows were dropped: 100" in shuffled.notices
