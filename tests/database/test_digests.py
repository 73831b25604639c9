"""A load reads the days that differ, and all of them where the month is not what was last loaded."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from database.connection import connected
from database.digests import digest_days, find_stretch
from database.writers import LoadResult, load_month
from tests.bars import month_bars, month_load
from tests.conftest import Database
from tests.database.test_writers import MARCH, load, rows

STARTS, ENDS = datetime(2024, 3, 1, tzinfo=UTC), datetime(2024, 4, 1, tzinfo=UTC)
BARS = month_bars(MARCH, 24 * 31)
STORED = "SELECT ts, open, high, low, close, volume, minutes FROM candle ORDER BY ts"


def corrected(*days: int) -> pa.Table:
    """The bars with other volumes on these days of the month."""
    wrong = pc.is_in(pc.day(BARS["ts"]), pa.array(days, pa.int64()))
    volume = pc.if_else(wrong, pc.add(BARS["volume"], 1.0), BARS["volume"])
    return BARS.set_column(BARS.column_names.index("volume"), "volume", volume)


def test_all_that_a_load_compares_is_from_the_first_day_that_differs_through_the_last(
    database: Database,
) -> None:
    def stretch(bars: pa.Table, symbol: str = "BTC-USD") -> tuple[int, int]:
        found = find_stretch(connection, symbol, STARTS, digest_days(bars, STARTS, ENDS))
        return (found[0] - STARTS).days + 1, (found[1] - STARTS).days

    with connected(database.url, autocommit=True) as connection:
        load_month(connection, month_load(BARS.slice(0, 24 * 30 + 7), MARCH, "a"))
        assert stretch(BARS) == (31, 31)
        load_month(connection, month_load(BARS, MARCH, "b"))
        assert stretch(BARS) == (1, 0), "none"
        assert stretch(corrected(15)) == (15, 15)
        assert stretch(corrected(1, 12)) == (1, 12)
        assert stretch(BARS.slice(24 * 2)) == (1, 2)
        assert stretch(BARS, "ETH-USD") == (1, 31)


def test_bars_of_another_input_that_are_the_same_are_not_touched(database: Database) -> None:
    load(database.url, month_load(BARS, MARCH, "a"))
    before = rows(database.url, "SELECT ctid, xmin, * FROM scaled_candle ORDER BY ts")
    assert load(database.url, month_load(BARS, MARCH, "b")) == LoadResult(0, 0)
    assert rows(database.url, "SELECT ctid, xmin, * FROM scaled_candle ORDER BY ts") == before
    assert rows(database.url, "SELECT input_sha256 FROM load") == [("b",)]


def test_bars_that_were_deleted_by_hand_come_back_with_the_next_load(database: Database) -> None:
    load(database.url, month_load(BARS, MARCH, "a"))
    wanted = corrected(20)
    with connected(database.url) as connection:
        connection.execute("DELETE FROM scaled_candle WHERE ts >= '2024-03-03' AND ts < '2024-03-05 10:00Z'")
    assert load(database.url, month_load(wanted, MARCH, "b")) == LoadResult(24 + 58, 0)
    assert rows(database.url, STORED) == [tuple(row.values()) for row in wanted.to_pylist()]


def test_a_month_without_its_marker_is_compared_whole(database: Database) -> None:
    load(database.url, month_load(BARS, MARCH, "a"))
    with connected(database.url) as connection:
        connection.execute("UPDATE scaled_candle SET volume = 7, volume_unit = 1 WHERE ts = '2024-03-03'")
        connection.execute("DELETE FROM load")
    assert rows(database.url, "TABLE load_digest") == []
    assert load(database.url, month_load(BARS, MARCH, "a")) == LoadResult(1, 0)
    assert rows(database.url, STORED) == [tuple(row.values()) for row in BARS.to_pylist()]


def test_a_month_that_an_older_btcql_loaded_since_is_compared_whole(plain: Database) -> None:
    load(plain.url, month_load(BARS, MARCH, "a"))
    digests = rows(plain.url, "SELECT input_sha256, days FROM load_digest")[0]
    load(plain.url, month_load(corrected(4), MARCH, "b"))
    with connected(plain.url) as connection:
        connection.execute("UPDATE load_digest SET input_sha256 = %s, days = %s", digests)
    assert load(plain.url, month_load(BARS, MARCH, "c")) == LoadResult(24, 0)
    assert rows(plain.url, STORED) == [tuple(row.values()) for row in BARS.to_pylist()]


@pytest.mark.parametrize(
    ("month", "bars"),
    [
        (MARCH, BARS.take([0, 2, 1])),
        (MARCH, pa.concat_tables([BARS.slice(0, 1), BARS.slice(0, 1)])),
        (date(2024, 2, 1), BARS),
        (MARCH, month_bars(MARCH, 24 * 31 + 1)),
    ],
    ids=["in disorder", "twice", "of a later month", "of the next month too"],
)
def test_bars_that_are_not_of_the_month_in_their_order_are_refused(
    plain: Database, month: date, bars: pa.Table
) -> None:
    after = (month + timedelta(days=31)).replace(day=1)
    with (
        connected(plain.url, autocommit=True) as connection,
        pytest.raises(ValueError, match=f"do not ascend from {month} to {after}"),
    ):
        load_month(connection, month_load(bars, month, "a"))
    assert rows(plain.url, "SELECT (SELECT count(*) FROM candle), (SELECT count(*) FROM load)") == [(0, 0)]
