"""A month's load is whole, exact, idempotent, and brings its aggregates with it."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from typing import Any

import pandas as pd
import psycopg
import pyarrow as pa
import pytest

from btcql.errors import DatabaseError
from database.connection import Connection, connected
from database.writers import (
    LoadResult,
    MonthLoad,
    aggregates_are_fresh,
    load_month,
    read_markers,
    refresh_aggregates,
    remove_market,
)
from tests.bars import month_bars, month_load
from tests.conftest import Database

MARCH = date(2024, 3, 1)


def load(url: str, month: MonthLoad) -> LoadResult:
    with connected(url, autocommit=True) as connection:
        result = load_month(connection, month)
        refresh_aggregates(connection)
        assert aggregates_are_fresh(connection)
    return result


def rows(url: str, text: str) -> list[tuple[Any, ...]]:
    with connected(url) as connection:
        return connection.execute(text.encode()).fetchall()


def expected(bars: pa.Table, frequency: str) -> list[tuple[Any, ...]]:
    frame = bars.to_pandas().set_index("ts")
    grouped = frame.resample(frequency)
    table = pd.DataFrame(
        {
            "open": grouped["open"].first(),
            "high": grouped["high"].max(),
            "low": grouped["low"].min(),
            "close": grouped["close"].last(),
            "volume": grouped["volume"].sum(),
            "observed": grouped["close"].count(),
        }
    ).dropna()
    return [(index.to_pydatetime(), *values) for index, *values in table.itertuples()]


def same(found: list[tuple[Any, ...]], wanted: list[tuple[Any, ...]]) -> bool:
    return len(found) == len(wanted) and all(
        one[:5] == other[:5] and one[5] == pytest.approx(other[5], rel=1e-12) and one[6] == other[6]
        for one, other in zip(found, wanted, strict=True)
    )


COLUMNS = "ts, open, high, low, close, volume, observed"


def test_a_load_arrives_with_its_marker_and_its_aggregates(database: Database) -> None:
    bars = month_bars(MARCH, 3000, minutes=1)
    assert load(database.url, month_load(bars, MARCH, "a")) == LoadResult(3000, 0)
    stored = rows(database.url, "SELECT ts, open, high, low, close, volume FROM candle ORDER BY ts")
    assert stored == list(zip(*(bars[name].to_pylist() for name in bars.column_names[:6]), strict=True))
    assert same(rows(database.url, f"SELECT {COLUMNS} FROM candle_1h ORDER BY ts"), expected(bars, "h"))
    assert same(rows(database.url, f"SELECT {COLUMNS} FROM candle_1d ORDER BY ts"), expected(bars, "D"))
    assert rows(database.url, "SELECT rows, first_ts, sources FROM load") == [
        (3000, datetime(2024, 3, 1, tzinfo=UTC), ["bitstamp"])
    ]


def test_daily_bars_have_days_and_no_hours(database: Database) -> None:
    bars = month_bars(MARCH, 31, minutes=1440)
    load(database.url, month_load(bars, MARCH, "a"))
    assert rows(database.url, "SELECT count(*) FROM candle_1h") == [(0,)]
    assert same(rows(database.url, f"SELECT {COLUMNS} FROM candle_1d ORDER BY ts"), expected(bars, "D"))


def test_the_same_input_again_touches_nothing(database: Database) -> None:
    month = month_load(month_bars(MARCH, 100), MARCH, "a")
    load(database.url, month)
    before = (
        rows(database.url, "SELECT ctid, xmin, * FROM scaled_candle ORDER BY ts"),
        rows(database.url, "TABLE load"),
    )
    assert load(database.url, month) == LoadResult(0, 0)
    assert before == (
        rows(database.url, "SELECT ctid, xmin, * FROM scaled_candle ORDER BY ts"),
        rows(database.url, "TABLE load"),
    )


def test_a_correction_touches_only_what_differs(database: Database) -> None:
    bars = month_bars(MARCH, 240)
    load(database.url, month_load(bars, MARCH, "a"))
    corrected = bars.to_pandas()
    corrected.loc[30, "close"] = corrected.loc[30, "high"]
    corrected = corrected.drop(index=[100, 101]).reset_index(drop=True)
    table = pa.Table.from_pandas(corrected, schema=bars.schema, preserve_index=False)
    assert load(database.url, month_load(table, MARCH, "b")) == LoadResult(1, 2)
    assert same(rows(database.url, f"SELECT {COLUMNS} FROM candle_1d ORDER BY ts"), expected(table, "D"))
    assert same(rows(database.url, f"SELECT {COLUMNS} FROM candle_1h ORDER BY ts"), expected(table, "h"))
    with connected(database.url) as connection:
        assert read_markers(connection, "BTC-USD") == {MARCH: "b"}


def test_a_days_finer_bars_replace_its_coarser_one(database: Database) -> None:
    load(database.url, month_load(month_bars(MARCH, 2, minutes=1440), MARCH, "a"))
    finer = month_bars(MARCH, 48)
    load(database.url, month_load(finer, MARCH, "b"))
    assert same(rows(database.url, f"SELECT {COLUMNS} FROM candle_1h ORDER BY ts"), expected(finer, "h"))
    assert same(rows(database.url, f"SELECT {COLUMNS} FROM candle_1d ORDER BY ts"), expected(finer, "D"))


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("close", float("nan")),
        ("high", float("inf")),
        ("volume", float("nan")),
        ("low", -1.0),
        ("high", 0.01),
    ],
    ids=["NaN", "infinity", "NaN volume", "negative", "high below low"],
)
def test_a_bar_that_is_none_is_refused_with_its_whole_month(
    database: Database, column: str, value: float
) -> None:
    frame = month_bars(MARCH, 50).to_pandas()
    frame.loc[49, column] = value
    bars = pa.Table.from_pandas(frame, schema=month_bars(MARCH, 1).schema, preserve_index=False)
    with pytest.raises(DatabaseError, match="candle_"):
        load(database.url, month_load(bars, MARCH, "a"))
    assert rows(database.url, "SELECT (SELECT count(*) FROM candle), (SELECT count(*) FROM load)") == [(0, 0)]


def test_two_loads_of_one_month_have_one_effect(database: Database) -> None:
    month = month_load(month_bars(MARCH, 744), MARCH, "a")
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: load(database.url, month), range(4)))
    assert sorted(result.written for result in results) == [0, 0, 0, 744]


def test_prices_of_fifteen_digits_come_back_the_same(database: Database) -> None:
    frame = month_bars(MARCH, 3).to_pandas()
    prices = [123456789.012345, 0.00000123456789012345, 99999999999999.9]
    for column in ("open", "high", "low", "close"):
        frame[column] = prices
    bars = pa.Table.from_pandas(frame, schema=month_bars(MARCH, 1).schema, preserve_index=False)
    load(database.url, month_load(bars, MARCH, "a"))
    assert [close for (close,) in rows(database.url, "SELECT close FROM candle_1h ORDER BY ts")] == prices


def test_removing_a_market_leaves_the_others(database: Database) -> None:
    load(database.url, month_load(month_bars(MARCH, 100), MARCH, "a"))
    load(database.url, month_load(month_bars(MARCH, 100), MARCH, "a", symbol="ETH-USD"))
    with connected(database.url, autocommit=True) as connection:
        assert remove_market(connection, "BTC-USD") == 100
        refresh_aggregates(connection)
    for table in ("candle", "candle_1h", "candle_1d", "load"):
        assert rows(database.url, f"SELECT DISTINCT symbol FROM {table}") == [("ETH-USD",)]


_KILLED = """
import sys
from datetime import date
from database.connection import connected
from database.writers import load_month, refresh_aggregates
from tests.bars import month_bars, month_load
month = date(2024, 3, 1)
with connected(sys.argv[1], autocommit=True) as connection:
    load_month(connection, month_load(month_bars(month, 44640, minutes=1), month, "a"))
    refresh_aggregates(connection)
"""
# What the test's own connection holds, so that the loader is killed there and nowhere else.
_HOLDS = {
    "before its marker": (
        "LOCK load IN EXCLUSIVE MODE",
        "SELECT true FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'INSERT INTO load%'",
        [(0, 0)],
    ),
    "before its refresh": (
        "SELECT pg_advisory_lock_shared(hashtextextended('btcql.refresh', 0))",  # as another load does
        (
            "SELECT true FROM pg_stat_activity"
            " WHERE wait_event_type = 'Lock' AND query LIKE 'SELECT pg_advisory_lock%'"
        ),
        [(44640, 1)],
    ),
}


@pytest.mark.parametrize(("hold", "held", "found"), _HOLDS.values(), ids=_HOLDS.keys())
def test_a_killed_load_is_absent_or_complete_and_the_next_finishes(
    database: Database, hold: str, held: str, found: list[tuple[int, int]]
) -> None:
    with psycopg.connect(database.url) as holder:
        holder.execute(hold.encode())
        with subprocess.Popen([sys.executable, "-c", _KILLED, database.url]) as loader:
            try:
                deadline = time.monotonic() + 60
                while not rows(database.url, held):
                    assert loader.poll() is None
                    assert time.monotonic() < deadline
            finally:
                loader.kill()
        assert loader.returncode == -signal.SIGKILL
    assert rows(database.url, "SELECT (SELECT count(*) FROM candle), (SELECT count(*) FROM load)") == found
    load(database.url, month_load(month_bars(MARCH, 44640, minutes=1), MARCH, "a"))
    assert rows(database.url, "SELECT count(*), sum(observed) FROM candle_1d") == [(31, 44640)]


def test_made_up_bars_are_never_loaded_beside_real_ones(database: Database) -> None:
    load(database.url, month_load(month_bars(MARCH, 30), MARCH, "a"))
    april = date(2024, 4, 1)
    with pytest.raises(DatabaseError, match=r"BTC-USD 2024-04.*made-up"):
        load(database.url, month_load(month_bars(april, 30), april, "b", source="synthetic"))
    assert rows(database.url, "SELECT count(*) FROM candle") == [(30,)]


def test_a_killed_backend_is_an_unavailable_database(database: Database) -> None:
    def kill(connection: Connection) -> None:
        connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    with pytest.raises(DatabaseError), connected(database.url) as connection:
        kill(connection)
