"""A month's warnings come, change and go with its load."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from database.connection import Connection, connected
from database.quality import QualityWarning, read_quality
from database.writers import LoadResult, load_month, remove_market
from tests.bars import month_bars, month_load
from tests.conftest import Database

pytestmark = pytest.mark.parametrize("edition", ["plain"], indirect=True, scope="session")
MARCH, MAY = date(2024, 3, 1), date(2024, 5, 1)


def warning(day: int, kind: str = "gap", month: int = 3) -> QualityWarning:
    at = datetime(2024, month, day, 12, tzinfo=UTC)
    return QualityWarning(
        kind, "bitstamp", at, at + timedelta(hours=2), 2, f"2 bars of 1h missing on day {day}"
    )


def stored(connection: Connection) -> list[tuple[str, date, str]]:
    rows = connection.execute(
        "SELECT symbol, month, message FROM quality_warning ORDER BY symbol, month, number"
    )
    return rows.fetchall()


def test_warnings_are_replaced_with_their_month_and_removed_with_their_market(database: Database) -> None:
    march = month_load(month_bars(MARCH, 100), MARCH, "a")
    with connected(database.url, autocommit=True) as connection:
        assert read_quality(connection) == [("warnings", "none")]
        load_month(connection, replace(march, warnings=[warning(3), warning(5)]))
        load_month(connection, replace(march, symbol="ETH-USD", warnings=[warning(7)]))
        load_month(connection, replace(march, warnings=[]))
        assert [message[-1] for _, _, message in stored(connection)] == ["3", "5", "7"], (
            "the same input: nothing"
        )
        again = replace(march, input_sha256="b", warnings=[warning(4)])
        assert load_month(connection, again) == LoadResult(0, 0)
        assert stored(connection) == [
            ("BTC-USD", MARCH, "2 bars of 1h missing on day 4"),
            ("ETH-USD", MARCH, "2 bars of 1h missing on day 7"),
        ]
        remove_market(connection, "BTC-USD")
        assert [symbol for symbol, _, _ in stored(connection)] == ["ETH-USD"]


def test_a_load_that_fails_leaves_the_warnings_of_before(database: Database) -> None:
    march = replace(month_load(month_bars(MARCH, 100), MARCH, "a"), warnings=[warning(3)])
    with connected(database.url, autocommit=True) as connection:
        load_month(connection, march)
        backwards = replace(warning(4), to_at=warning(4).from_at)
        with pytest.raises(Exception, match="quality_warning_stretch"):
            load_month(connection, replace(march, input_sha256="b", warnings=[backwards]))
    with connected(database.url) as connection:
        assert [message[-1] for _, _, message in stored(connection)] == ["3"]
        assert connection.execute("SELECT input_sha256 FROM load").fetchall() == [("a",)]


def test_they_are_summed_up_by_market_and_kind_the_newest_first(database: Database) -> None:
    with connected(database.url, autocommit=True) as connection:
        many = [warning(day) for day in range(1, 21)] + [warning(25, "jump")]
        load_month(connection, replace(month_load(month_bars(MARCH, 744), MARCH, "a"), warnings=many))
        load_month(connection, month_load(month_bars(MAY, 100), MAY, "b"))
        said = "bitstamp: 2 bars of 1h missing on day"
        assert read_quality(connection) == [
            ("BTC-USD month_gap", "1 warning, the newest:"),
            ("", "  2024-04-01 00:00 to 2024-05-01 00:00, bitstamp: no bars between two loads"),
            ("BTC-USD jump", "1 warning, the newest:"),
            ("", "  2024-03-25 12:00 to 2024-03-25 14:00, bitstamp: 2 bars of 1h missing on day 25"),
            ("BTC-USD gap", "20 warnings, the newest:"),
            *(("", f"  2024-03-{day} 12:00 to 2024-03-{day} 14:00, {said} {day}") for day in (20, 19, 18)),
        ]
