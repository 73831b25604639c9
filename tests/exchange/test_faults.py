"""What exchanges and networks do wrong: the right bars after a bounded number of tries, or a named error."""

from __future__ import annotations

import socket
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from btcql.errors import SourceUnavailableError
from btcql.records import Timeframe
from etl.sources.client import Client
from etl.sources.exchange import Exchange
from etl.sources.patience import TRIES, Patience
from etl.sources.reach import why_unreachable
from etl.sources.venue import VENUES
from tests.exchange.conftest import NOW, Connect
from tests.exchange.server import Exchanges, Fault
from tests.exchange.test_paging import expected, rows

START = datetime(2024, 3, 1, tzinfo=UTC)
END = START + timedelta(days=3)
PAGE = "<html><head><title>503</title></head><body>Bitte warten</body></html>"

FAULTS = {
    "500": Fault(status=500, body="oops"),
    "503 with a page": Fault(status=503, body=PAGE),
    "403": Fault(status=403, body="forbidden"),
    "429": Fault(status=429, body='{"code": "429"}'),
    "a reset connection": Fault(reset=True),
    "half a body": Fault(truncated=True),
    "a page": Fault(body=PAGE),
    "nothing": Fault(body=""),
    "null": Fault(body="null"),
    "other JSON": Fault(body='{"hello": ["world"]}'),
    "a list of other things": Fault(body='[["a", "b", "c", "d", "e", "f"]]'),
    "a number of its own": Fault(body="12"),
    "JSON cut short": Fault(body='{"data": {"pair": "BTC/USD", "ohlc": [{"timestamp": "17'),
}


@pytest.mark.parametrize("name", VENUES)
def test_a_fault_that_passes_is_waited_out(
    connect: Connect, served: Exchanges, waits: list[float], name: str
) -> None:
    exchange = connect(name)
    # kraken allows one request a second
    faults = dict(list(FAULTS.items())[::4]) if name == "kraken" else FAULTS
    for said, fault in faults.items():
        served.meet(fault)
        fetched = exchange.fetch("BTC-USD", Timeframe.HOUR, START, END)
        assert rows(fetched.table) == expected(START, END), said
        assert not served.faults, said
    assert len(waits) == len(faults)
    assert max(waits) <= 0.5


@pytest.mark.parametrize("name", ["bitstamp", "coinbase", "binance"])
def test_a_fault_that_stays_is_named_after_bounded_tries(
    connect: Connect, served: Exchanges, waits: list[float], name: str
) -> None:
    exchange = connect(name, patience=0.6)
    exchange.market("BTC-USD")
    for said, fault in FAULTS.items():
        waits.clear()
        served.asked.clear()
        served.meet(fault, times=2)
        with pytest.raises(SourceUnavailableError, match=f"{name} does not give bars of BTC-USD") as error:
            exchange.fetch("BTC-USD", Timeframe.HOUR, START, END)
        assert (len(served.asked), len(waits)) == (2, 1), said
        assert "\n" not in str(error.value)
        assert "<" not in str(error.value)
        assert len(str(error.value)) < 400


def test_the_tries_are_bounded(connect: Connect, served: Exchanges, waits: list[float]) -> None:
    served.meet(Fault(status=500), times=100)
    with pytest.raises(SourceUnavailableError, match="500"):
        connect("bitstamp", patience=10**6).market("BTC-USD")
    assert (len(served.asked), len(waits)) == (TRIES, TRIES - 1)


def test_the_waits_double_and_end_with_the_patience(
    connect: Connect, served: Exchanges, waits: list[float]
) -> None:
    exchange = connect("bitstamp", patience=10)
    served.meet(Fault(status=503), times=100)
    with pytest.raises(SourceUnavailableError, match=r"bitstamp does not give its markets: .*503"):
        exchange.market("BTC-USD")
    assert len(waits) == 4
    assert all(0.75 * 2**n / 2 <= wait <= 2**n / 2 for n, wait in enumerate(waits))


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("as_date", [False, True])
def test_retry_after_is_honoured(
    connect: Connect, served: Exchanges, waits: list[float], status: int, *, as_date: bool
) -> None:
    exchange = connect("binance" if status == 429 else "bitstamp")
    exchange.market("BTC-USD")
    after = format_datetime(NOW + timedelta(seconds=37), usegmt=True) if as_date else "37"
    served.meet(Fault(status=status, body="{}", headers=(("Retry-After", after),)), times=3)
    assert rows(exchange.fetch("BTC-USD", Timeframe.HOUR, START, END).table) == expected(START, END)
    assert waits == [37.0, 37.0, 37.0]


def test_who_asks_for_more_time_than_there_is_is_not_asked_again(
    connect: Connect, served: Exchanges, waits: list[float]
) -> None:
    exchange = connect("coinbase", patience=60)
    served.meet(Fault(status=429, body="slow down", headers=(("Retry-After", "3600"),)), times=9)
    with pytest.raises(SourceUnavailableError, match="asks to wait for 3600 s"):
        exchange.market("BTC-USD")
    assert (waits, len(served.asked)) == ([], 1)


def test_a_silent_exchange_is_given_up(connect: Connect, served: Exchanges, waits: list[float]) -> None:
    exchange = connect("bitstamp", patience=1, timeout=0.3)
    exchange.market("BTC-USD")
    served.meet(Fault(hang_seconds=30), times=9)
    with pytest.raises(SourceUnavailableError, match="timed out"):
        exchange.fetch("BTC-USD", Timeframe.HOUR, START, END)
    assert len(waits) == 1


def test_impossible_bars_are_left_out_and_said_and_many_are_no_answer(
    connect: Connect, served: Exchanges
) -> None:
    exchange = connect("coinbase")
    exchange.market("BTC-USD")
    served.meet(Fault(bend=lambda bars: [(bars[0][0], 5.0, 1.0, 9.0, 5.0, 1.0), *bars[1:]]))
    fetched = exchange.fetch("BTC-USD", Timeframe.HOUR, START, END)
    assert rows(fetched.table) == expected(START, END)[1:]
    assert fetched.notices[0] == "coinbase BTC-USD 1h: 1 bars with impossible prices were left out"
    assert fetched.notices[1].startswith("coinbase BTC-USD 1h: 1 of 72 bars are missing, 2024-03-01T00:00Z")
    served.meet(Fault(bend=lambda bars: [(t, 0.0, 0.0, 0.0, 0.0, 0.0) for t, *_ in bars]), times=TRIES)
    with pytest.raises(SourceUnavailableError, match="72 of the 72 bars of its answer are none"):
        exchange.fetch("BTC-USD", Timeframe.HOUR, START, END)


def test_bars_that_start_between_the_hours_are_no_answer(connect: Connect, served: Exchanges) -> None:
    exchange = connect("binance")
    exchange.market("BTC-USD")
    served.meet(Fault(bend=lambda bars: [(one[0] + 1800, *one[1:]) for one in bars]), times=TRIES)
    with pytest.raises(SourceUnavailableError, match="bars that do not start a 1h in UTC"):
        exchange.fetch("BTC-USD", Timeframe.HOUR, START, END)


def test_an_exchange_that_answers_can_be_reached(served: Exchanges) -> None:
    for venue in VENUES.values():
        assert why_unreachable(venue, served.url) is None


def test_why_an_exchange_cannot_be_reached_is_known_within_seconds(served: Exchanges) -> None:
    bitstamp = VENUES["bitstamp"]
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        assert why_unreachable(bitstamp, address, seconds=0.3) == "no answer within 0.3 s"
    assert why_unreachable(bitstamp, address) == "no connection"
    assert why_unreachable(bitstamp, "http://exchange.invalid") == "no connection"
    served.meet(Fault(body=PAGE))
    assert why_unreachable(bitstamp, served.url) == "what answers in its place speaks no JSON"
    served.meet(Fault(status=502))
    assert "502" in (why_unreachable(bitstamp, served.url) or "")


def test_a_proxy_of_the_environment_is_used_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.delenv("NO_PROXY", raising=False)
    bitstamp = VENUES["bitstamp"]
    assert "proxy" in (why_unreachable(bitstamp, "http://exchange.invalid") or "")
    client = Client(bitstamp, Patience(0), base_url="http://exchange.invalid")
    with pytest.raises(SourceUnavailableError, match=r"[Pp]roxy"):
        Exchange(client).market("BTC-USD")
