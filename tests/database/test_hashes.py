"""The hashes that other tests compare databases by tell equal ones from different ones."""

from __future__ import annotations

from datetime import UTC, date, datetime

import psycopg

from tests.api.markets import issue_forecast
from tests.bars import month_bars, month_load
from tests.conftest import Database, fresh_database
from tests.database.hashes import table_hashes
from tests.database.test_writers import MARCH, load


def _fill(url: str, issued_hour: int) -> dict[str, str]:
    load(url, month_load(month_bars(MARCH, 100), MARCH, "a"))
    issue_forecast(url, "BTC-USD", date(2024, 3, 4), datetime(2024, 3, 5, issued_hour, tzinfo=UTC))
    return table_hashes(url)


def test_the_same_data_hash_alike_and_one_changed_bit_shows(
    database: Database, server_url: str, edition: str
) -> None:
    hashes = _fill(database.url, 1)
    with fresh_database(server_url, edition) as other:
        assert len(set(table_hashes(other.url).values())) == 1, "all are empty"
        assert _fill(other.url, 2) == hashes
        with psycopg.connect(other.url) as connection:
            connection.execute(
                "UPDATE scaled_candle SET volume_unit = 1,"
                " volume = volume / volume_unit * (1 + 2.3e-16) WHERE ts = '2024-03-02'"
            )
        changed = table_hashes(other.url)
    assert {table for table in hashes if changed[table] != hashes[table]} == {"candle"}
    assert len(set(hashes.values())) == len(hashes)
