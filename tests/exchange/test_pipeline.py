"""From a local exchange through the lake into the database, on a clock that the test winds."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from btcql.cli.archive import Selection, Wanted
from btcql.cli.fetch import Order
from btcql.cli.pipeline import Pipeline, pipeline
from btcql.errors import SettingError, SourceError, SourceUnavailableError
from btcql.records import Timeframe
from database.connection import connected
from database.events import read_followed
from etl.backfill import Series
from etl.fetching import FetchMonth
from lake.path import Partition
from lake.store import Lake
from tests.api.serving import serving
from tests.cli.conftest import free_port
from tests.cli.files import daily_rows, write_csv
from tests.conftest import settings_of
from tests.exchange.market import Bar, bar
from tests.exchange.server import Exchanges, Fault, exchanges

HOUR = Timeframe.HOUR


@dataclass
class World:
    """A pipeline and the exchanges that it asks, on one clock. Each test has a symbol of its own."""

    running: Pipeline
    served: Exchanges

    def wind(self, now: datetime) -> None:
        self.served.now = now
        self.running = replace(self.running, now=lambda: now)
        self.served.asked.clear()

    def ingest(self, symbol: str, first: date, last: date, source: str = "bitstamp") -> None:
        self.running.ingest(Order(Series(source, symbol, HOUR), first, last))

    def rows(self, symbol: str) -> dict[datetime, tuple[Any, ...]]:
        """Each bar's values with its place and its transaction in the table."""
        query = (
            "SELECT ts, candle.close, candle.volume, candle.minutes, kept.xmin::text, kept.ctid::text"
            " FROM candle JOIN scaled_candle AS kept USING (symbol, ts) WHERE symbol = %s"
        )
        with connected(self.running.database_url) as connection:
            return {ts: tuple(rest) for ts, *rest in connection.execute(query, [symbol])}

    @property
    def lake(self) -> Lake:
        return self.running.lake


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with exchanges(datetime(2024, 3, 1, 12, tzinfo=UTC)) as served:
        settings = replace(
            settings_of("plain", tmp_path_factory.mktemp("home")),
            luigid_port_text=str(free_port()),
            exchange_url=served.url,
            exchange_patience_text="1",
        )
        with pipeline(settings) as running:
            yield World(running, served)


@pytest.fixture
def world(home: World) -> World:
    home.served.faults.clear()
    home.served.only_faulty = ""
    return home


def month_of(symbol: str, month: date, source: str = "bitstamp") -> Partition:
    return Partition(source, symbol, HOUR, month)


def at(day: int, hour: int = 0, month: int = 3) -> datetime:
    return datetime(2024, month, day, hour, tzinfo=UTC)


def correct(world: World, symbol: str, start: datetime) -> Bar:
    stamp, *_ = before = bar(int(start.timestamp()), 60)
    world.served.markets[symbol].correct(start, 60, before[4] + 7)
    assert stamp == start.timestamp()
    return before


def test_a_day_corrected_upstream_changes_its_bar_alone(world: World) -> None:
    world.wind(at(10, 5))
    world.ingest("BTC-USD", date(2024, 2, 20), date(2024, 3, 10))
    before = world.rows("BTC-USD")
    assert (min(before), max(before)) == (at(1, 0, month=2), at(9, 23))
    wrong = correct(world, "BTC-USD", at(8, 5))
    world.wind(at(11, 1))
    world.running.refresh("BTC-USD")
    after = world.rows("BTC-USD")
    assert {ts for ts in before if before[ts] != after[ts]} == {at(8, 5)}
    assert after[at(8, 5)][0] == wrong[4] + 7
    assert set(after) - set(before) == {at(10, hour) for hour in range(24)}
    old, new = world.lake.files(month_of("BTC-USD", date(2024, 3, 1)))
    kept = dict(zip(old[1]["ts"].to_pylist(), old[1]["close"].to_pylist(), strict=True))
    assert kept[at(8, 5)] == wrong[4]
    assert new[0].request["from"] == "2024-03-08T00:00:00Z"
    assert new[0].request["to"] == "2024-03-11T00:00:00Z"
    assert world.lake.verify() == []
    asked = len(world.served.asked_for_bars())
    world.running.refresh("BTC-USD")
    assert len(world.served.asked_for_bars()) == asked, "once a day is enough"
    assert world.rows("BTC-USD") == after


def test_a_correction_over_a_months_end_is_caught_too(world: World) -> None:
    world.wind(at(2, 5))
    world.ingest("BTC-EUR", date(2024, 2, 1), date(2024, 3, 2))
    before = world.rows("BTC-EUR")
    correct(world, "BTC-EUR", at(29, 22, month=2))
    world.wind(at(3, 1))
    world.running.refresh("BTC-EUR")
    after = world.rows("BTC-EUR")
    assert {ts for ts in before if before[ts] != after[ts]} == {at(29, 22, month=2)}
    assert len(after) == len(before) + 24
    asked = len(world.served.asked_for_bars())
    world.running.refresh("BTC-EUR")
    assert len(world.served.asked_for_bars()) == asked
    world.wind(at(5, 1))
    world.running.refresh("BTC-EUR")
    assert len(world.served.asked_for_bars()) == 1, "three days after its end a month is left alone"


def test_a_backfill_that_fails_goes_on_where_it_stopped(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.wind(at(1, 12))
    world.served.markets["ETH-USD"].begins = datetime(2023, 11, 5, 7, tzinfo=UTC)
    january = int(datetime(2024, 1, 1, tzinfo=UTC).timestamp())
    world.served.only_faulty = f"step=3600&start={january}"
    world.served.meet(Fault(status=503), times=9)
    with pytest.raises(
        SourceUnavailableError, match="bitstamp does not give bars of ETH-USD from 2024-01-01"
    ):
        world.ingest("ETH-USD", date(2012, 1, 1), date(2024, 2, 29))
    said = capsys.readouterr().out
    assert "ETH-USD begins on 2023-11-05 at bitstamp" in said
    assert "bitstamp ETH-USD 1h: 103 of 720 bars are missing, 2023-11-01T00:00Z to 2023-11-05T07:00Z" in said
    months = [partition.month for partition in world.lake.partitions("ETH-USD")]
    assert months == [date(2023, 11, 1), date(2023, 12, 1)], (
        "no marker of what did not come, nothing after it"
    )
    assert max(world.rows("ETH-USD")) == datetime(2023, 12, 31, 23, tzinfo=UTC)
    world.served.faults.clear()
    world.served.asked.clear()
    world.ingest("ETH-USD", date(2023, 11, 1), date(2024, 2, 29))
    assert len(world.served.asked_for_bars()) == 2, "January and February"
    assert len(world.rows("ETH-USD")) == (26 + 31 + 31 + 29) * 24 - 7
    manifest = world.lake.manifest(month_of("ETH-USD", date(2024, 1, 1)))
    assert manifest is not None
    assert dict(manifest.files[0].request) == {
        "exchange": "bitstamp",
        "symbol": "ETH/USD",
        "timeframe": "1h",
        "from": "2024-01-01T00:00:00Z",
        "to": "2024-02-01T00:00:00Z",
        "pages": 1,
    }
    where = {"source": "bitstamp", "symbol": "ETH-USD", "timeframe": "1h", "through": date(2024, 3, 1)}
    wanted = [date(2023, month, 1) for month in (10, 11, 12)]
    places = world.running._places()

    def month_task(**month: Any) -> FetchMonth:
        return FetchMonth(**places, **where, **month, first=month["month"])

    assert FetchMonth.bulk_complete.__func__(month_task, wanted) == wanted[1:]  # type: ignore[attr-defined]


def test_a_month_without_bars_is_fetched_once(world: World) -> None:
    world.wind(at(1, 12))
    market = world.served.markets["BTC-USDT"]
    market.holes = [(at(1, month=1), at(1, month=2)), (at(10, month=2), at(1))]
    world.ingest("BTC-USDT", date(2023, 12, 1), date(2024, 2, 29), source="binance")
    assert [p.month for p in world.lake.partitions("BTC-USDT")] == [date(2023, 12, 1), date(2024, 2, 1)]
    world.served.asked.clear()
    world.ingest("BTC-USDT", date(2023, 12, 1), date(2024, 2, 29), source="binance")
    assert world.served.asked == []
    market.holes.pop()
    world.wind(at(2, 1))
    world.running.refresh("BTC-USDT")
    february = [ts for ts in world.rows("BTC-USDT") if ts.month == 2]
    assert len(february) == 9 * 24 + 3 * 24 - 24, "the last three days were looked at once more"


def test_a_machine_whose_clock_is_ahead_loads_no_unfinished_day(world: World) -> None:
    world.wind(at(20, 1))
    world.served.now = at(19, 22)
    with pytest.raises(SourceError, match=r"coinbase's clock says 2024-03-19T22:00Z, when 2024-03-20T00:00Z"):
        world.ingest("BTC-USD", date(2024, 3, 12), date(2024, 3, 19), source="coinbase")
    assert world.lake.manifest(month_of("BTC-USD", date(2024, 3, 1), "coinbase")) is None


def test_what_one_exchange_does_not_give_stops_no_other(world: World) -> None:
    world.wind(at(21, 1))
    world.ingest("BTC-USD", date(2024, 3, 1), date(2024, 3, 20), source="coinbase")
    world.wind(at(22, 1))
    world.served.only_faulty = "/coinbase/"
    world.served.meet(Fault(body="<html>maintenance</html>"), times=20)
    with pytest.raises(SourceUnavailableError, match="coinbase does not give"):
        world.running.refresh("BTC-USD")
    assert max(world.rows("BTC-USD")) == at(21, 23)
    assert world.lake.manifest(month_of("BTC-USD", date(2024, 3, 1), "coinbase")) is not None


def test_orders_that_cannot_be_are_named(world: World) -> None:
    world.wind(at(22, 1))
    with pytest.raises(SourceError, match="bitstamp does not list DOGE-USD"):
        world.ingest("DOGE-USD", date(2024, 3, 1), date(2024, 3, 20))
    with pytest.raises(SourceError, match=r"kraken gives only its last 720 bars of 1h.* before 2024-02-22"):
        world.ingest("BTC-USD", date(2024, 1, 1), date(2024, 3, 20), source="kraken")
    with pytest.raises(
        SettingError, match="2024-03-22 to 2024-03-25 has no closed day: the last one is 2024-03-21"
    ):
        world.ingest("BTC-USD", date(2024, 3, 22), date(2024, 3, 25))
    world.served.markets["ETH-USD"].begins = at(1, month=3)
    with pytest.raises(SourceError, match="coinbase has no bars of ETH-USD from 2013-01-01 to 2013-02-01"):
        world.ingest("ETH-USD", date(2013, 1, 1), date(2013, 2, 1), source="coinbase")
    assert not any(p.source == "kraken" or p.symbol == "DOGE-USD" for p in world.lake.partitions())


def test_the_days_that_kraken_still_has_come(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.wind(at(22, 1))
    world.ingest("BTC-EUR", date(2024, 3, 1), date(2024, 3, 21), source="kraken")
    assert len(world.lake.read(month_of("BTC-EUR", date(2024, 3, 1), "kraken"))) == 21 * 24
    world.wind(at(22, 1, month=5) + timedelta(days=20))
    world.running.refresh("BTC-EUR")
    assert "kraken gives no bars of 1h before 2024-05-13 any more" in capsys.readouterr().out
    assert world.lake.manifest(month_of("BTC-EUR", date(2024, 4, 1), "kraken")) is None
    may = world.lake.read(month_of("BTC-EUR", date(2024, 5, 1), "kraken"))
    assert may["ts"][0].as_py() > at(12, month=5)


def test_a_market_of_files_alone_is_followed_by_nobody_whatever_source_they_were_given(
    world: World, tmp_path: Path
) -> None:
    def followed() -> tuple[set[str], set[str]]:
        url = world.running.database_url
        with connected(url) as connection:
            scheduled = {symbol for symbol, _ in read_followed(connection)}
        with serving(url) as api:
            told = re.findall(r'btcql_followed{market="(.*)"} 1.0', api.http.get("/metrics").text)
        return scheduled & {"ETH-EUR", "LTC-USD"}, set(told) & {"ETH-EUR", "LTC-USD"}

    world.wind(at(20, 1))
    days = write_csv(tmp_path / "days.csv", daily_rows(30))
    for symbol in ("ETH-EUR", "LTC-USD"):
        world.running.import_archives(Selection.of([str(days)], Wanted(symbol, "bitstamp", Timeframe.DAY)))
    assert followed() == (set(), set())
    world.ingest("ETH-EUR", date(2024, 3, 1), date(2024, 3, 19))
    assert followed() == ({"ETH-EUR"}, {"ETH-EUR"})
    with connected(world.running.database_url) as connection:  # as they were noted before
        connection.execute(
            "UPDATE load SET raw_objects = (SELECT jsonb_agg(object - 'imported')"
            " FROM jsonb_array_elements(raw_objects) AS object) WHERE symbol IN ('ETH-EUR', 'LTC-USD')"
        )
    assert followed()[0] == {"ETH-EUR", "LTC-USD"}
    for symbol in ("ETH-EUR", "LTC-USD"):
        world.running.refresh(symbol)
    assert followed() == ({"ETH-EUR"}, {"ETH-EUR"})
