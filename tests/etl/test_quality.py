"""The checks around a month: what is no bar stops it, what is odd becomes one warning a stretch."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pytest

from btcql.errors import LakeError
from btcql.records import Timeframe
from etl.prepare import duck, prepare_month
from etl.prepared import read_prepared, write_prepared
from lake.schema import BARS, microseconds
from lake.store import Lake
from tests.etl.engines import engine_of
from tests.etl.months import (
    END,
    FEBRUARY,
    changed,
    daily_of,
    forge,
    land,
    random_month,
    scaled,
    walk,
    without,
)
from tests.lake.bars import february

MINUTE, HOUR, DAY = Timeframe.MINUTE, Timeframe.HOUR, Timeframe.DAY


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"))


def put(column: str, row: int, value: float) -> Callable[[pa.Table], pa.Table]:
    """A fault: one value of a table."""

    def fault(table: pa.Table) -> pa.Table:
        values = table[column].to_pylist()
        values[row] = value
        at = table.column_names.index(column)
        return table.set_column(at, table.field(column), pa.array(values, table.field(column).type))

    return fault


def later(table: pa.Table, by_us: int) -> pa.Table:
    moved = pa.array(microseconds(table) + by_us).cast(BARS.field("ts").type)
    return table.set_column(0, BARS.field("ts"), moved)


WRONG: dict[str, tuple[Callable[[pa.Table], pa.Table], str, str]] = {
    "not above zero": (put("low", 5, 0.0), "T05:00:00Z", "low 0.0,"),
    "that is not finite": (put("high", 5, float("inf")), "T05:00:00Z", "high inf,"),
    "price that is not finite": (put("close", 5, float("nan")), "T05:00:00Z", "close nan,"),
    "must lie between low and high": (put("close", 7, 1e6), "T07:00:00Z", "close 1000000.0,"),
    "open and close must lie": (put("high", 7, 1.5), "T07:00:00Z", "high 1.5,"),
    "volume that is not finite": (put("volume", 0, float("nan")), "T00:00:00Z", "volume nan)"),
    "at least zero": (put("volume", 0, -0.5), "T00:00:00Z", "volume -0.5)"),
    "does not follow the bar before it": (lambda t: t.take([0, 2, 1, 3]), "T01:00:00Z", "close"),
    "does not follow": (lambda t: t.take([0, 1, 1, 2]), "T01:00:00Z", "close"),
    "does not start where": (lambda t: later(t, 1), "T00:00:00Z", "close"),
    "lies outside the month": (lambda t: later(t, -3_600_000_000), "2024-01-31T23:00:00Z", "close"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_no_bar_stops_the_month_and_is_named(wrong: str, lake: Lake) -> None:
    fault, instant, value = WRONG[wrong]
    where = land(lake, "coinbase", HOUR, walk(HOUR, 30))
    land(lake, "bitstamp", HOUR, walk(HOUR, 48))
    forge(lake, where, fault(walk(HOUR, 30)))
    with pytest.raises(LakeError, match=wrong) as refused:
        prepare_month(lake, "BTC-USD", FEBRUARY)
    named = "BTC-USD 2024-02: the 1h bar of coinbase"
    for part in (named, instant, value, f"remove {where}/part-", "land the month again"):
        assert part in str(refused.value)


def test_a_file_without_bars_stops_the_month(lake: Lake) -> None:
    where = land(lake, "coinbase", HOUR, walk(HOUR, 30))
    forge(lake, where, walk(HOUR, 30).slice(0, 0))
    with pytest.raises(LakeError, match=r"part-.*parquet has no bars"):
        prepare_month(lake, "BTC-USD", FEBRUARY)


Series = tuple[str, Timeframe, pa.Table]
WHOLE, DAYS, MINUTES = walk(HOUR, 29 * 24), walk(DAY, 29), walk(MINUTE, 4 * 1440)


def hours(*more: Series, table: pa.Table = WHOLE) -> list[Series]:
    return [("bitstamp", HOUR, table), *more]


def minutes(table: pa.Table) -> list[Series]:
    return [("binance", MINUTE, table)]


def no_volume(table: pa.Table, start: int, count: int) -> pa.Table:
    return changed(table, slice(start, start + count), volume=0.0)


SOUND: dict[str, list[Series]] = {
    "hours of a month": hours(),
    "days": [("bitstamp", DAY, DAYS)],
    "minutes": minutes(MINUTES),
    "a second source, one per cent apart": hours(("coinbase", HOUR, scaled(WHOLE, slice(None), 1.01))),
    "an hour without a trade": hours(table=no_volume(WHOLE, 40, 1)),
    "sixty minutes without a trade": minutes(no_volume(MINUTES, 700, 60)),
    "fifty-nine minutes missing": minutes(without(MINUTES, slice(700, 759))),
    "a fall by a fifth in an hour": hours(table=scaled(WHOLE, slice(200, None), 0.8)),
    "an old close where nothing was traded": hours(
        ("coinbase", HOUR, no_volume(scaled(WHOLE, slice(50, 51), 1.5), 50, 1))
    ),
}


@pytest.mark.parametrize("name", SOUND)
def test_sound_months_give_no_warning(name: str, lake: Lake) -> None:
    for source, timeframe, table in SOUND[name]:
        land(lake, source, timeframe, table)
    assert prepare_month(lake, "BTC-USD", FEBRUARY).warnings == ()


Expected = tuple[str, datetime, datetime, int, str]
ODD: dict[str, tuple[list[Series], list[Expected]]] = {
    "a price ten times too high": (
        hours(table=scaled(WHOLE, slice(100, 101), 10)),
        [("jump", february(5, 4), february(5, 6), 2, "more than 20 times the range")],
    ),
    "a wick to next to nothing": (
        hours(table=changed(WHOLE, slice(100, 101), low=0.01)),
        [("jump", february(5, 4), february(5, 5), 1, "more than 20 times the range")],
    ),
    "another unit from a day on": (
        [("bitstamp", DAY, scaled(DAYS, slice(10, None), 100))],
        [("jump", february(11), february(12), 1, "more than 20 times the range")],
    ),
    "two jumps two days apart": (
        hours(table=scaled(scaled(WHOLE, slice(100, 101), 10), slice(148, 149), 10)),
        [
            ("jump", february(5, 4), february(5, 6), 2, "; 2 such bars"),
            ("jump", february(7, 4), february(7, 6), 2, "; 2 such bars"),
        ],
    ),
    "two hours without a trade": (
        hours(table=no_volume(WHOLE, 40, 2)),
        [("no_trades", february(2, 16), february(2, 18), 2, "2 bars of 1h without a trade")],
    ),
    "a day without a trade": (
        [("bitstamp", DAY, no_volume(DAYS, 5, 1))],
        [("no_trades", february(6), february(7), 1, "1 bar of 1d without a trade")],
    ),
    "hours without a trade, twice in a day": (
        hours(table=no_volume(no_volume(WHOLE, 40, 2), 50, 3)),
        [("no_trades", february(2, 16), february(3, 5), 5, "5 bars of 1h without a trade in 2 stretches")],
    ),
    "an hour missing": (
        hours(table=without(WHOLE, slice(40, 41))),
        [("gap", february(2, 16), february(2, 17), 1, "1 bar of 1h missing")],
    ),
    "days missing": (
        [("bitstamp", DAY, without(DAYS, slice(10, 13)))],
        [("gap", february(11), february(14), 3, "3 bars of 1d missing")],
    ),
    "sixty minutes missing": (
        minutes(without(MINUTES, slice(700, 760))),
        [
            (
                "gap",
                february(1, 11).replace(minute=40),
                february(1, 12).replace(minute=40),
                60,
                "60 bars of 1m",
            )
        ],
    ),
    "every tenth minute of a day missing": (
        minutes(without(MINUTES, *(slice(row, row + 1) for row in range(9, 1440, 10)))),
        [
            (
                "sparse",
                february(1, 0).replace(minute=9),
                february(2),
                144,
                "144 bars of 1m missing, in 144 stretches that are shorter than an hour",
            )
        ],
    ),
    "a second source, five per cent apart for six hours": (
        hours(("coinbase", HOUR, scaled(WHOLE, slice(60, 66), 1.05))),
        [("disagreement", february(3, 12), february(3, 18), 6, "the 1h bars of coinbase at")],
    ),
    "days that close three per cent off their last hour": (
        hours(("bitstamp", DAY, scaled(daily_of(WHOLE), slice(None), 0.97))),
        [
            (
                "disagreement",
                february(1, 23),
                END,
                29,
                "3.1% apart; 29 such bars",
            )
        ],
    ),
}


@pytest.mark.parametrize("name", ODD)
def test_what_is_odd_is_one_warning_a_stretch(name: str, lake: Lake) -> None:
    landed, expected = ODD[name]
    for source, timeframe, table in landed:
        land(lake, source, timeframe, table)
    found = prepare_month(lake, "BTC-USD", FEBRUARY).warnings
    assert [(own.kind, own.from_at, own.to_at, own.bars) for own in found] == [own[:4] for own in expected]
    for own, (*_, said) in zip(found, expected, strict=True):
        assert own.source == landed[0][0]
        assert said in own.message


def test_a_month_known_to_its_end_lacks_the_bars_after_its_last(lake: Lake) -> None:
    land(lake, "bitstamp", HOUR, WHOLE.slice(0, 600), through=END)
    (gap,) = prepare_month(lake, "BTC-USD", FEBRUARY).warnings
    assert (gap.kind, gap.from_at, gap.to_at, gap.bars) == ("gap", february(26), END, 96)


def test_a_corrected_bar_leaves_no_warning(lake: Lake) -> None:
    land(lake, "bitstamp", HOUR, scaled(WHOLE, slice(100, 101), 10))
    land(lake, "coinbase", HOUR, scaled(WHOLE, slice(300, 301), 1.1))
    assert {own.kind for own in prepare_month(lake, "BTC-USD", FEBRUARY).warnings} == {"jump", "disagreement"}
    land(lake, "bitstamp", HOUR, WHOLE.slice(100, 1))
    land(lake, "coinbase", HOUR, WHOLE.slice(300, 1))
    assert prepare_month(lake, "BTC-USD", FEBRUARY).warnings == ()


def test_warnings_travel_with_the_prepared_file(lake: Lake, tmp_path: Path) -> None:
    land(lake, "bitstamp", HOUR, without(no_volume(WHOLE, 40, 2), slice(100, 110)))
    prepared = prepare_month(lake, "BTC-USD", FEBRUARY)
    write_prepared(prepared, tmp_path / "month.parquet")
    read = read_prepared(tmp_path / "month.parquet", "BTC-USD", FEBRUARY)
    assert tuple(read.warnings) == prepared.warnings
    assert len(read.warnings) == 2


@pytest.mark.timeout(900)  # a JVM's start on a busy machine takes minutes
def test_both_engines_choose_and_warn_alike(tmp_path: Path) -> None:
    spark = engine_of("spark")
    kinds = set()
    for seed in (4, 7, 15):
        lake = Lake(str(tmp_path / str(seed)))
        random_month(lake, seed)
        one = prepare_month(lake, "BTC-USD", FEBRUARY, duck.run_sql)
        other = prepare_month(lake, "BTC-USD", FEBRUARY, spark)
        assert one.table.equals(other.table), seed
        assert one == other, seed
        kinds |= {own.kind for own in one.warnings}
    assert kinds == {"jump", "no_trades", "gap", "sparse", "disagreement"}


@pytest.mark.timeout(900)
@pytest.mark.parametrize("wrong", ["volume that is not finite", "does not follow the bar before it"])
def test_both_engines_refuse_alike(wrong: str, lake: Lake) -> None:
    spark = engine_of("spark")
    forge(lake, land(lake, "coinbase", HOUR, walk(HOUR, 30)), WRONG[wrong][0](walk(HOUR, 30)))
    said = []
    for engine in (duck.run_sql, spark):
        with pytest.raises(LakeError, match=wrong) as refused:
            prepare_month(lake, "BTC-USD", FEBRUARY, engine)
        said.append(str(refused.value))
    assert said[0] == said[1]
