"""What only TimescaleDB Community has: the columnstore, and bars that a retention dropped."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pytest

from btcql.errors import DatabaseError
from database.connection import Connection, connected
from database.migrate import migrate
from database.status import read_status
from database.writers import (
    LoadResult,
    aggregates_are_fresh,
    load_month,
    refresh_aggregates,
    remove_market,
)
from tests.bars import month_bars, month_load
from tests.conftest import Database
from tests.database.test_writers import COLUMNS, MARCH, expected, load, rows, same

FEBRUARY = date(2024, 2, 1)


@pytest.fixture
def community(database: Database) -> str:
    if database.edition != "community":
        pytest.skip("has no columnstore and no continuous aggregates")
    return database.url


def compress(connection: Connection) -> None:
    for (chunk,) in connection.execute("SELECT show_chunks('scaled_candle')::text").fetchall():
        connection.execute("CALL convert_to_columnstore(%s::regclass, if_not_columnstore => true)", [chunk])


def run_jobs(connection: Connection) -> None:
    """Run the three policies at once, as the night would."""
    jobs = connection.execute(
        "SELECT job_id FROM timescaledb_information.jobs"
        " WHERE job_id >= 1000 AND owner = 'btcql_writer'::regrole ORDER BY job_id"
    ).fetchall()
    assert len(jobs) == 3
    for job in jobs:
        connection.execute("CALL run_job(%s)", job)


def load_two_markets(url: str) -> None:
    for symbol in ("BTC-USD", "ETH-USD"):
        for month in (FEBRUARY, MARCH):
            load(url, month_load(month_bars(month, 24 * 29), month, "a", symbol=symbol))


def drop_bars_before_march_18(url: str) -> None:
    with connected(url, autocommit=True) as connection:
        # chunks are of 90 days since 1970: one of them ends here
        connection.execute("SELECT drop_chunks('scaled_candle', TIMESTAMPTZ '2024-03-18')")


def days(url: str) -> list[tuple[Any, ...]]:
    """Return all but the summed volumes, whose last bit depends on the order of the sum."""
    return rows(url, "SELECT symbol, ts, open, high, low, close, observed FROM candle_1d ORDER BY symbol, ts")


def test_every_other_edition_ignores_the_columnstore(database: Database) -> None:
    if database.edition == "apache":
        jobs = rows(database.url, "SELECT count(*) FROM timescaledb_information.jobs WHERE job_id >= 1000")
        assert jobs == [(0,)]


def test_the_policies_wait_for_the_night_and_the_hours_come_before_the_days(community: str) -> None:
    jobs = rows(
        community,
        "SELECT hypertable_name, next_start > now() + INTERVAL '2 hours', next_start"
        " FROM timescaledb_information.jobs WHERE job_id >= 1000 ORDER BY next_start",
    )
    assert [job[:2] for job in jobs] == [("scaled_candle", True), ("candle_hour", True), ("candle_day", True)]


def test_a_snapshot_keeps_the_bars_of_a_chunk_that_is_recompressed_under_it(community: str) -> None:
    load(community, month_load(month_bars(MARCH, 24 * 29), MARCH, "a"))
    with connected(community, autocommit=True) as connection, connected(community) as reader:
        compress(connection)
        load_month(connection, month_load(month_bars(MARCH, 24 * 31, seed=2), MARCH, "b"))
        reader.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        # Of another table: a reader that had the chunk in hand would keep the job waiting.
        reader.execute("SELECT count(*) FROM load")
        run_jobs(connection)
        count = "SELECT count(*) FROM candle"
        assert reader.execute(count).fetchone() == connection.execute(count).fetchone() == (24 * 31,)


def test_the_owner_of_an_older_database_gets_the_setting_that_keeps_snapshots_whole(community: str) -> None:
    setting = "SHOW timescaledb.enable_segmentwise_recompression"
    with connected(community, autocommit=True) as connection:
        connection.execute("ALTER ROLE CURRENT_USER RESET timescaledb.enable_segmentwise_recompression")
    try:
        assert rows(community, setting) == [("on",)]
        migrate(community)
        assert rows(community, setting) == [("off",)]
    finally:
        with connected(community, autocommit=True) as connection:
            connection.execute(
                "ALTER ROLE CURRENT_USER SET timescaledb.enable_segmentwise_recompression = off"
            )


def test_the_policies_change_no_answer(community: str) -> None:
    load_two_markets(community)
    before = days(community)
    with connected(community, autocommit=True) as connection:
        run_jobs(connection)
        assert dict(read_status(connection))["hypertable"].endswith("in 2 chunks, 2 compressed")
    assert days(community) == before


def test_loads_into_the_columnstore_are_as_exact_as_any(community: str) -> None:
    whole = month_bars(MARCH, 44_640, minutes=1)
    for symbol in ("BTC-USD", "ETH-USD"):
        load(community, month_load(whole, MARCH, "a", symbol=symbol))
    with connected(community, autocommit=True) as connection:
        compress(connection)
    frame = whole.to_pandas()
    frame.loc[30, "close"] = frame.loc[30, "high"]
    # the first chunk's last day
    frame = frame.drop(index=range(16 * 1440, 17 * 1440)).reset_index(drop=True)
    corrected = pa.Table.from_pandas(frame, schema=whole.schema, preserve_index=False)
    assert load(community, month_load(corrected, MARCH, "b")) == LoadResult(1, 1440)
    earlier = month_bars(FEBRUARY, 41_760, minutes=1, seed=2)
    assert load(community, month_load(earlier, FEBRUARY, "a")) == LoadResult(41_760, 0)
    both = pa.concat_tables([earlier, corrected])
    for view, frequency in (("candle_1h", "h"), ("candle_1d", "D")):
        found = rows(community, f"SELECT {COLUMNS} FROM {view} WHERE symbol = 'BTC-USD' ORDER BY ts")
        assert same(found, expected(both, frequency))
    with connected(community, autocommit=True) as connection:
        compress(connection)
        assert remove_market(connection, "BTC-USD") == 44_640 - 1440 + 41_760
        refresh_aggregates(connection)
    assert rows(community, "SELECT DISTINCT symbol FROM candle_1h") == [("ETH-USD",)]


def test_a_refresh_never_erases_a_market_whose_bars_were_dropped(community: str) -> None:
    load_two_markets(community)
    drop_bars_before_march_18(community)
    before = days(community)
    with connected(community, autocommit=True) as connection:
        for month in (FEBRUARY, MARCH):
            connection.execute("DELETE FROM load WHERE symbol = 'BTC-USD' AND month = %s", [month])
            load_month(connection, month_load(month_bars(month, 24 * 29), month, "a"))
        for _ in range(2):
            with pytest.raises(DatabaseError, match=r"46 days of ETH-USD \(2024-02-01 to 2024-03-17\)"):
                refresh_aggregates(connection)
        assert not aggregates_are_fresh(connection)
        assert days(community) == before
        connection.execute("DELETE FROM load WHERE symbol = 'ETH-USD'")
        for month in (FEBRUARY, MARCH):
            load_month(connection, month_load(month_bars(month, 24 * 29), month, "a", symbol="ETH-USD"))
        refresh_aggregates(connection)
        assert aggregates_are_fresh(connection)
    assert days(community) == before


def test_a_stretch_that_must_wait_does_not_keep_the_others_waiting(community: str) -> None:
    load_two_markets(community)
    drop_bars_before_march_18(community)
    june = date(2024, 6, 1)
    with connected(community, autocommit=True) as connection:
        connection.execute("DELETE FROM load WHERE symbol = 'BTC-USD' AND month = %s", [FEBRUARY])
        load_month(connection, month_load(month_bars(FEBRUARY, 24), FEBRUARY, "b"))
        load_month(connection, month_load(month_bars(june, 24), june, "a"))
        with pytest.raises(DatabaseError, match="1 days of ETH-USD"):
            refresh_aggregates(connection)
    assert rows(community, "SELECT symbol, from_day FROM aggregate_refresh") == [
        ("BTC-USD", datetime(2024, 2, 1, tzinfo=UTC))
    ]
    assert rows(community, "SELECT observed FROM candle_1d WHERE ts >= '2024-06-01'") == [(24,)]


def test_a_market_is_removed_with_the_history_of_its_dropped_bars(community: str) -> None:
    for month in (FEBRUARY, MARCH):
        load(community, month_load(month_bars(month, 24 * 29), month, "a"))
    drop_bars_before_march_18(community)
    with connected(community, autocommit=True) as connection:
        remove_market(connection, "BTC-USD")
        remove_market(connection, "XRP-USD")
        refresh_aggregates(connection)
    assert days(community) == []


def test_days_that_waited_before_their_symbol_was_known_are_refreshed(community: str) -> None:
    with connected(community, autocommit=True) as connection:
        load_month(connection, month_load(month_bars(MARCH, 48), MARCH, "a"))
        connection.execute("UPDATE aggregate_refresh SET symbol = NULL")
        assert refresh_aggregates(connection) == 2
    assert rows(community, "SELECT observed FROM candle_1d") == [(24,), (24,)]


def test_the_status_shows_the_chunks_and_the_watermarks(community: str) -> None:
    load_two_markets(community)
    with connected(community, autocommit=True) as connection:
        compress(connection)
        status = dict(read_status(connection))
    assert status["hypertable"].endswith("in 2 chunks, 2 compressed")
    assert status["watermarks"] == "candle_hour 2024-03-30 00:00, candle_day 2024-03-30 00:00"
