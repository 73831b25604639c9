"""Whether the schedule lives and is on time can be told from the database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from psycopg.pq import TransactionStatus

from btcql.errors import PipelineError
from database.connection import connected
from database.runs import Plan, check_schedule, recorded, schedule_lock, write_plan
from tests.api.serving import wait_for
from tests.conftest import Database

NOW = datetime(2024, 3, 1, 12, tzinfo=UTC)


def test_a_schedule_is_well_if_it_lives_and_no_refresh_is_overdue(database: Database) -> None:
    if database.edition != "plain":
        pytest.skip("it is the same on every edition")
    with connected(database.url, autocommit=True) as connection:
        with pytest.raises(PipelineError, match="no schedule serves"):
            check_schedule(connection, NOW)
        with schedule_lock(database.url) as lock:
            with pytest.raises(PipelineError, match="no schedule serves"):
                check_schedule(connection, NOW)
            assert lock.take()
            check_schedule(connection, NOW)
            write_plan(connection, "BTC-USD", Plan(NOW - timedelta(minutes=59), 0))
            check_schedule(connection, NOW)
            write_plan(connection, "BTC-USD", Plan(NOW - timedelta(minutes=61), 3))
            with pytest.raises(PipelineError, match=r"BTC-USD was due at 2024-03-01 10:59"):
                check_schedule(connection, NOW)
            with recorded(database.url, "ETH-USD", "refresh", lambda: NOW):
                check_schedule(connection, NOW)
        with pytest.raises(PipelineError, match="no schedule serves"):
            check_schedule(connection, NOW)


def test_what_ends_a_schedule_in_the_middle_of_a_query_is_not_hidden(database: Database) -> None:
    if database.edition != "plain":
        pytest.skip("it is the same on every edition")

    def work() -> None:
        with schedule_lock(database.url) as lock:
            assert lock.take()
            lock.connection.pgconn.send_query(b"SELECT 1")  # as a signal may find it
            assert lock.connection.info.transaction_status == TransactionStatus.ACTIVE
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()
    with schedule_lock(database.url) as lock:
        wait_for(lock.take)
