"""Prepare: each day from its best bars, whole; the input's digest; what stops it."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from btcql.errors import LakeError
from btcql.records import Timeframe
from etl.prepare import PREPARED, month_input, month_inputs, prepare_month
from lake.path import Partition
from lake.schema import microseconds
from lake.store import Lake
from tests.lake.bars import bars, february, publish

FEBRUARY = date(2024, 2, 1)
MINUTE, HOUR, DAY = Timeframe.MINUTE, Timeframe.HOUR, Timeframe.DAY


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "my lake [*] é"))


def land(
    lake: Lake,
    source: str,
    timeframe: Timeframe,
    first: datetime,
    count: int,
    *,
    price: float = 100.0,
    through: datetime | None = None,
) -> Partition:
    where = Partition(source, "BTC-USD", timeframe, first.date().replace(day=1))
    publish(lake, where, bars(first, count, timeframe, price), through=through)
    return where


def chosen(table: pa.Table) -> dict[int, set[tuple[str, int]]]:
    """The (source, minutes) that each day of the month is made of."""
    days: dict[int, set[tuple[str, int]]] = {}
    for row in table.select(["ts", "source", "minutes"]).to_pylist():
        days.setdefault(row["ts"].day, set()).add((row["source"], row["minutes"]))
    return days


def test_one_source_comes_out_as_it_is(lake: Lake) -> None:
    where = land(lake, "file:prices", HOUR, february(), 48)
    prepared = prepare_month(lake, "BTC-USD", FEBRUARY)
    assert prepared.table.schema.equals(PREPARED)
    assert prepared.table.select(bars(february(), 1).column_names).equals(lake.read(where))
    assert set(prepared.table["minutes"].to_pylist()) == {60}
    assert prepared.sources == ("file:prices",)
    assert (prepared.rows, prepared.complete_through) == (48, february(3))
    manifest = lake.manifest(where)
    assert manifest is not None
    assert prepared.raw_objects == (
        {
            "object": f"{where.folder}/{manifest.files[0].name}",
            "sha256": manifest.files[0].sha256,
            "imported": True,
        },
    )


@pytest.mark.parametrize(
    ("landed", "best", "why"),
    [
        (
            [("kraken", DAY, 1), ("kraken", HOUR, 24)],
            ("kraken", 60),
            "the finest of those that cover the day",
        ),
        (
            [("kraken", DAY, 1), ("bitstamp", HOUR, 23)],
            ("kraken", 1440),
            "a whole day before finer parts of it",
        ),
        (
            [("kraken", HOUR, 24), ("bitstamp", MINUTE, 1380)],
            ("kraken", 60),
            "23 hours of minutes are not a day",
        ),
        (
            [("kraken", HOUR, 24), ("binance", MINUTE, 1381)],
            ("binance", 1),
            "an hour counts once it has a bar",
        ),
        ([("kraken", HOUR, 5), ("binance", HOUR, 6)], ("binance", 60), "coverage before priority"),
        ([("binance", HOUR, 24), ("kraken", HOUR, 24)], ("kraken", 60), "kraken before binance"),
        ([("kraken", HOUR, 24), ("coinbase", HOUR, 24)], ("coinbase", 60), "coinbase before kraken"),
        ([("coinbase", HOUR, 24), ("bitstamp", HOUR, 24)], ("bitstamp", 60), "bitstamp before coinbase"),
        ([("binance", HOUR, 24), ("a", HOUR, 24)], ("binance", 60), "the known before others"),
        ([("file:b", HOUR, 24), ("file:a", HOUR, 24)], ("file:a", 60), "others by name"),
    ],
)
def test_a_day_is_taken_from_its_best_bars(
    landed: list[tuple[str, Timeframe, int]], best: tuple[str, int], why: str, lake: Lake
) -> None:
    for source, timeframe, count in landed:
        land(lake, source, timeframe, february(), count)
    prepared = prepare_month(lake, "BTC-USD", FEBRUARY)
    assert chosen(prepared.table) == {1: {best}}, why
    assert prepared.sources == (best[0],)
    assert len(prepared.raw_objects) == 2, "all that was weighed is named"


def test_days_are_chosen_one_by_one_and_never_mixed(lake: Lake) -> None:
    land(lake, "bitstamp", DAY, february(), 10)
    land(lake, "bitstamp", HOUR, february(3), 24 * 2 + 7)
    land(lake, "binance", MINUTE, february(4), 1440)
    prepared = prepare_month(lake, "BTC-USD", FEBRUARY)
    days = chosen(prepared.table)
    assert all(len(kinds) == 1 for kinds in days.values())
    assert [next(iter(days[day]))[1] for day in range(1, 11)] == [1440, 1440, 60, 1, *[1440] * 6]
    assert prepared.rows == 8 + 24 + 1440
    assert (np.diff(microseconds(prepared.table)) > 0).all()
    assert prepared.sources == ("binance", "bitstamp")


def test_days_are_utc_days_whatever_the_machine_says(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    land(lake, "bitstamp", HOUR, february(), 24 * 3)
    land(lake, "bitstamp", DAY, february(), 3)
    monkeypatch.setenv("TZ", "Pacific/Auckland")
    time.tzset()
    try:
        prepared = prepare_month(lake, "BTC-USD", FEBRUARY)
    finally:
        monkeypatch.undo()
        time.tzset()
    assert chosen(prepared.table) == {day: {("bitstamp", 60)} for day in (1, 2, 3)}


def test_the_newest_file_wins_bar_by_bar(lake: Lake) -> None:
    where = land(lake, "bitstamp", HOUR, february(), 48)
    land(lake, "bitstamp", HOUR, february(1, 12), 6, price=900.0)
    land(lake, "bitstamp", HOUR, february(1, 14), 2, price=500.0)
    prepared = prepare_month(lake, "BTC-USD", FEBRUARY)
    assert prepared.table["close"].to_pylist()[11:19] == [
        111.0,
        900.0,
        901.0,
        500.0,
        501.0,
        904.0,
        905.0,
        118.0,
    ]
    assert prepared.table["close"].to_pylist() == lake.read(where)["close"].to_pylist()
    assert len(prepared.raw_objects) == 3


def test_made_up_bars_never_mix_with_real_ones(lake: Lake) -> None:
    land(lake, "synthetic", MINUTE, february(), 1440 * 3)
    assert prepare_month(lake, "BTC-USD", FEBRUARY).sources == ("synthetic",)
    alone = month_input(lake, "BTC-USD", FEBRUARY)
    land(lake, "bitstamp", DAY, february(2), 1)
    prepared = prepare_month(lake, "BTC-USD", FEBRUARY)
    assert (prepared.sources, prepared.rows) == (("bitstamp",), 1)
    assert month_input(lake, "BTC-USD", FEBRUARY) != alone


def test_real_bars_of_any_month_put_the_made_up_ones_out(lake: Lake) -> None:
    land(lake, "synthetic", HOUR, february(), 24)
    assert list(month_inputs(lake, "BTC-USD")) == [FEBRUARY]
    land(lake, "bitstamp", DAY, datetime(2020, 5, 1, tzinfo=UTC), 1)
    assert list(month_inputs(lake, "BTC-USD")) == [date(2020, 5, 1)]
    for use in (month_input, prepare_month):
        with pytest.raises(LakeError, match="no bars of BTC-USD in 2024-02"):
            use(lake, "BTC-USD", FEBRUARY)


def test_the_input_digest_changes_with_what_is_read_and_only_then(lake: Lake) -> None:
    land(lake, "bitstamp", HOUR, february(), 48)
    seen = [month_input(lake, "BTC-USD", FEBRUARY)]
    assert prepare_month(lake, "BTC-USD", FEBRUARY).input_sha256 == seen[0]
    assert month_inputs(lake, "BTC-USD") == {FEBRUARY: seen[0]}
    land(lake, "bitstamp", HOUR, february(), 48)
    land(lake, "bitstamp", HOUR, datetime(2024, 3, 1, tzinfo=UTC), 48)
    assert month_input(lake, "BTC-USD", FEBRUARY) == seen[0], "the same bars again, and another month"
    changes: list[tuple[str, int, float, datetime | None]] = [
        ("bitstamp", 48, 200.0, None),
        ("bitstamp", 48, 200.0, february(9)),
        ("coinbase", 1, 100.0, None),
    ]
    for source, count, price, through in changes:
        land(lake, source, HOUR, february(), count, price=price, through=through)
        seen.append(month_input(lake, "BTC-USD", FEBRUARY))
        assert prepare_month(lake, "BTC-USD", FEBRUARY).input_sha256 == seen[-1]
    assert len(set(seen)) == 4
    assert month_inputs(lake, "BTC-USD")[FEBRUARY] == seen[-1]


def test_it_reaches_as_far_as_the_last_day_s_source(lake: Lake) -> None:
    land(lake, "bitstamp", HOUR, february(), 30, through=february(2, 7))
    land(lake, "coinbase", HOUR, february(), 3, through=february(2, 9))
    assert prepare_month(lake, "BTC-USD", FEBRUARY).complete_through == february(2, 7)
    land(lake, "coinbase", DAY, february(), 4)
    assert prepare_month(lake, "BTC-USD", FEBRUARY).complete_through == february(5)


def test_a_damaged_file_stops_the_month_and_is_named(lake: Lake) -> None:
    land(lake, "bitstamp", HOUR, february(), 48)
    land(lake, "coinbase", HOUR, february(), 48)
    part = next(path for path in Path(lake.root).rglob("part-*") if "coinbase" in str(path))
    content = bytearray(part.read_bytes())
    content[100] ^= 1
    part.write_bytes(content)
    with pytest.raises(LakeError, match="does not match its checksum") as refused:
        prepare_month(lake, "BTC-USD", FEBRUARY)
    assert str(part) in str(refused.value)


def test_a_file_that_is_whole_but_not_of_its_month_stops_it(lake: Lake) -> None:
    own = land(lake, "bitstamp", HOUR, february(), 48)
    other = land(lake, "bitstamp", HOUR, datetime(2024, 3, 1, tzinfo=UTC), 48)
    there, here = (Path(lake.root) / where.folder for where in (own, other))
    for path in here.iterdir():
        content = path.read_bytes()
        if path.name == "manifest.json":
            content = content.replace(b'"month": "2024-03"', b'"month": "2024-02"')
        (there / path.name).write_bytes(content)
    with pytest.raises(LakeError, match="lies outside the month") as refused:
        prepare_month(lake, "BTC-USD", FEBRUARY)
    assert own.folder in str(refused.value)


def test_an_empty_lake_has_nothing_to_prepare(lake: Lake) -> None:
    assert month_inputs(lake, "BTC-USD") == {}
    with pytest.raises(LakeError, match="import or ingest"):
        prepare_month(lake, "BTC-USD", FEBRUARY)


def test_other_symbols_stay_out(lake: Lake) -> None:
    land(lake, "bitstamp", HOUR, february(), 24)
    other = Partition("bitstamp", "ETH-USD", HOUR, FEBRUARY)
    publish(lake, other, bars(february(), 48, price=7.0))
    prepared = prepare_month(lake, "BTC-USD", FEBRUARY)
    assert (prepared.rows, len(prepared.raw_objects)) == (24, 1)


def test_a_month_of_minutes_is_prepared_in_a_moment(lake: Lake) -> None:
    land(lake, "bitstamp", MINUTE, datetime(2024, 1, 1, tzinfo=UTC), 44_640)
    began = time.perf_counter()
    assert prepare_month(lake, "BTC-USD", date(2024, 1, 1)).rows == 44_640
    assert timedelta(seconds=time.perf_counter() - began) < timedelta(seconds=30), "usually about a tenth"


def test_the_sql_keeps_to_what_both_engines_speak() -> None:
    for file in (Path(__file__).parents[2] / "etl" / "prepare").glob("*.sql"):
        text = file.read_text()
        assert '"' not in text
        assert "EXCLUDE" not in text.upper()
