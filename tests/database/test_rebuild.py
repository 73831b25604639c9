"""What is written while another database is about to take the name: kept, or refused, and never lost."""

from __future__ import annotations

import threading
from datetime import date, timedelta

import pytest

from btcql.errors import DatabaseError
from database.address import database_of
from database.connection import connected
from database.keys import create_key, read_keys, revoke_key
from database.rebuild import carried_over, create_beside, take_name
from tests.api.serving import wait_for
from tests.bars import month_bars, month_load
from tests.conftest import Database
from tests.database.test_writers import load, rows

plain = pytest.mark.parametrize("edition", ["plain"], indirect=True, scope="session")

CHUNKS = (
    "SELECT count(*), min(range_end - range_start) FROM timescaledb_information.chunks"
    " WHERE hypertable_name = 'scaled_candle'"
)
WAITING = (
    "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%UPDATE api_key%'"
)


@plain
def test_no_key_is_revoked_in_a_database_that_is_about_to_go(database: Database) -> None:
    said: list[str] = []

    def revoke(name: str) -> None:
        try:
            with connected(database.url) as connection:
                revoke_key(connection, name)
                said.append("revoked")
        except DatabaseError:
            said.append("refused")

    with connected(database.url) as connection:
        for name in ("before", "meanwhile"):
            create_key(connection, name, ["prices"], None)
    fresh = create_beside(database.url)
    revoke("before")
    with carried_over(database.url, fresh) as rows, connected(database.url, autocommit=True) as watching:
        assert rows == 2
        assert [key.name for key in read_keys(watching)] == ["before", "meanwhile"], "reads go on"
        revoking = threading.Thread(target=revoke, args=["meanwhile"])
        revoking.start()
        wait_for(lambda: watching.execute(WAITING).fetchone() == (1,))
        watching.close()
        take_name(database.url, lambda: None)
    revoking.join(60)
    assert said == ["revoked", "refused"]
    with connected(database.url) as connection:
        assert [key.revoked_at is None for key in read_keys(connection)] == [False, True]
    revoke("meanwhile")
    assert said[-1] == "revoked"


@plain
def test_what_was_held_is_let_go_when_the_name_is_not_taken(database: Database) -> None:
    fresh = create_beside(database.url)
    with connected(database.url) as connection:
        create_key(connection, "charts", ["prices"], None)
    with pytest.raises(ValueError, match="no"), carried_over(database.url, fresh):
        raise ValueError("no")
    with connected(database.url) as connection:
        assert revoke_key(connection, "charts").revoked_at


def test_the_chunks_are_as_long_as_before(database: Database) -> None:
    if database.edition == "plain":
        pytest.skip("has no chunks")
    with connected(database.url) as connection:
        connection.execute("SELECT set_chunk_time_interval('scaled_candle', INTERVAL '7 days')")
    fresh = create_beside(database.url)
    for month in (date(2024, 2, 1), date(2024, 3, 1)):
        load(fresh, month_load(month_bars(month, 24 * 29), month, "a"))
    assert rows(fresh, CHUNKS) == [(9, timedelta(days=7))]
    with connected(database.url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {database_of(fresh)} WITH (FORCE)".encode())
