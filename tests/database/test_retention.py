"""A retention takes old bars and no more: hours and days stay, and none is lost unsaid. Community only."""

from __future__ import annotations

from datetime import UTC, date, datetime
from functools import partial
from typing import Any

import pytest

from btcql.errors import DatabaseError
from database.connection import Connection, connected
from database.status import read_status
from database.writers import LoadResult, aggregates_are_fresh, load_month, refresh_aggregates, remove_market
from tests.api.serving import serving
from tests.bars import month_bars, month_load
from tests.conftest import Database
from tests.database.test_timescaledb import FEBRUARY
from tests.database.test_writers import MARCH, load, rows

JANUARY, APRIL = date(2024, 1, 1), date(2024, 4, 1)
served = partial(serving, clock=lambda: datetime(2024, 6, 1, tzinfo=UTC))
# A chunk of 90 days ends on March 18th, so that it is older than this when the job runs.
KEPT_FROM = "TIMESTAMPTZ '2024-03-20'"
AGGREGATES = ("candle_1h", "candle_1d")
_TURN = 'range: {days: {from: "2024-02-27", to: "2024-03-05"}}'
_GAP = 'range: {instants: {from: "2024-03-01T00:00:00Z", to: "2024-03-01T05:00:00Z"}}'
_FEBRUARY = 'range: {days: {from: "2024-02-01", to: "2024-02-29"}}'
HISTORY = f"""
  candles({_FEBRUARY}) {{ points {{ start open high low close volume observed complete }} }}
  hours: candles({_FEBRUARY}, interval: HOUR) {{ coverage {{ present }} points {{ start close }} }}
  filled: candles({_TURN}, interval: HOUR, fill: PREVIOUS) {{ points {{ start close filled }} }}
  begun: candles({_GAP}, interval: HOUR, fill: PREVIOUS) {{ points {{ close filled }} }}
  movingAverage({_FEBRUARY}, window: 7) {{ points {{ value status }} }}
  movement({_FEBRUARY}) {{ open close high {{ value }} low {{ value }} change volume volatility }}
  freshness {{ firstBar dataThrough }}
  price(at: "2024-02-10T05:30:00Z") {{ at value }}
"""


@pytest.fixture
def community(database: Database) -> str:
    if database.edition != "community":
        pytest.skip("has no retention policies")
    return database.url


def retain(connection: Connection) -> None:
    """Set the policy as the documents tell, and run all jobs at once, as the night would."""
    connection.execute(f"SELECT add_retention_policy('scaled_candle', now() - {KEPT_FROM})".encode())
    run_jobs(connection)


def run_jobs(connection: Connection) -> None:
    jobs = connection.execute(
        "SELECT job_id, proc_name FROM timescaledb_information.jobs WHERE job_id >= 1000 ORDER BY job_id DESC"
    ).fetchall()
    assert len(jobs) == 4
    assert jobs[0][1] == "policy_retention"
    for job_id, _ in jobs:
        connection.execute("CALL run_job(%s)", [job_id])


def aggregates(url: str) -> list[list[tuple[Any, ...]]]:
    """Return every hour and day, but for the sums, whose last bit depends on their order."""
    columns = "symbol, ts, open, high, low, close, observed, minutes"
    return [rows(url, f"SELECT {columns} FROM {view} ORDER BY symbol, ts") for view in AGGREGATES]


def load_with_holes(url: str) -> None:
    """Load two markets; the first hours of March are missing."""
    for symbol in ("BTC-USD", "ETH-USD"):
        for month, first in ((FEBRUARY, 0), (MARCH, 3)):
            load(url, month_load(month_bars(month, 24 * 29).slice(first), month, "a", symbol=symbol))


def oldest(url: str) -> Any:
    return rows(url, "SELECT min(ts) FROM candle")[0][0]


def test_the_hours_days_and_answers_of_dropped_bars_stay_and_the_next_loads_are_exact(community: str) -> None:
    load_with_holes(community)
    before = aggregates(community)
    with served(community) as api:
        answer = api.market(HISTORY)
    with connected(community, autocommit=True) as connection:
        retain(connection)
        assert oldest(community) == datetime(2024, 3, 18, tzinfo=UTC)
        assert aggregates(community) == before
        assert refresh_aggregates(connection) == 0
        status = dict(read_status(connection))
    assert status["retention"].startswith("bars are dropped after ")
    # of its 29 * 24 and 29 * 24 - 3, those from 18 to 29 March
    assert status["ETH-USD"].startswith("288 of 1,389 loaded bars (the oldest kept 2024-03-18 00:00)")
    with served(community) as api:
        assert api.market(HISTORY) == answer
    assert load(community, month_load(month_bars(APRIL, 24), APRIL, "a")) == LoadResult(24, 0)
    corrected = month_bars(MARCH, 24 * 31).slice(3)
    for symbol in ("BTC-USD", "ETH-USD"):
        with connected(community, autocommit=True) as connection:
            load_month(connection, month_load(corrected, MARCH, "b", symbol=symbol))
    with connected(community, autocommit=True) as connection:
        refresh_aggregates(connection)
        assert aggregates_are_fresh(connection)
        run_jobs(connection)
    hours, days = aggregates(community)
    assert [day for day in days if day in before[1]] == before[1]
    assert set(before[0]) <= set(hours)
    assert len(days) == len(before[1]) + 2 * 2 + 1


@pytest.mark.parametrize("month", [FEBRUARY, JANUARY], ids=["loaded again", "loaded for the first time"])
def test_what_is_dropped_between_its_load_and_its_refresh_is_said_and_can_be_loaded_again(
    community: str, month: date
) -> None:
    for known in (FEBRUARY, MARCH):
        load(community, month_load(month_bars(known, 24 * 29), known, "a"))
    before = aggregates(community)
    again = month_load(month_bars(month, 24 * 29, seed=2), month, "b")
    with connected(community, autocommit=True) as connection:
        load_month(connection, again)
        retain(connection)
        for _ in range(2):
            with pytest.raises(DatabaseError, match=f"29 days of BTC-USD .{month}.*DELETE FROM load"):
                refresh_aggregates(connection)
        assert aggregates(community) == before
        assert not aggregates_are_fresh(connection)
        connection.execute("DELETE FROM load WHERE month = %s", [month])
        load_month(connection, again)
        refresh_aggregates(connection)
        assert aggregates_are_fresh(connection)
    of_month = f"date_trunc('month', ts, 'UTC') = '{month} 00:00+00'"
    assert rows(community, f"SELECT sum(observed) FROM candle_1d WHERE {of_month}") == [(24 * 29,)]


def test_the_error_of_a_refresh_names_what_brings_each_market_back_and_nothing_twice(community: str) -> None:
    load_with_holes(community)
    of_ether = (
        "SELECT ts, open, high, low, close, observed FROM candle_1h WHERE symbol = 'ETH-USD' ORDER BY ts"
    )
    before = rows(community, of_ether)
    february = month_load(month_bars(FEBRUARY, 24 * 29), FEBRUARY, "a", symbol="ETH-USD")
    march = month_load(month_bars(MARCH, 24 * 29).slice(3), MARCH, "a", symbol="ETH-USD")
    with connected(community, autocommit=True) as connection:
        retain(connection)
        for month in (FEBRUARY, MARCH):
            load_month(connection, month_load(month_bars(month, 24 * 29, seed=2), month, "b"))
        assert refresh_aggregates(connection, wait=False) == 0  # of a load: the next one may bring them
        assert not aggregates_are_fresh(connection)
        with pytest.raises(DatabaseError, match=r"46 days of ETH-USD .2024-02-01 to 2024-03-17") as caught:
            refresh_aggregates(connection)
        said = str(caught.value)
        assert (
            "once: DELETE FROM load WHERE symbol = 'ETH-USD' AND month IN ('2024-02-01', '2024-03-01');"
            in said
        )
        assert said.endswith("Then btcql refresh --symbol ETH-USD, again until it ends with 0")
        connection.execute(said[said.index("DELETE") : said.index(";") + 1].encode())
        load_month(connection, february)
        with pytest.raises(DatabaseError, match=r"17 days of ETH-USD .* their markers are gone already"):
            refresh_aggregates(connection)
        load_month(connection, march)
        refresh_aggregates(connection)
        assert aggregates_are_fresh(connection)
    assert rows(community, of_ether) == before


def test_a_market_of_which_every_bar_is_dropped_still_has_its_last_price(community: str) -> None:
    load(community, month_load(month_bars(FEBRUARY, 24 * 20 + 5), FEBRUARY, "a"))
    load(community, month_load(month_bars(FEBRUARY, 20, 1440), FEBRUARY, "a", symbol="DAY-USD"))
    selection = 'price(at: "2024-03-01T00:00:00Z") { at value }'
    with served(community) as api:
        found = [api.market(selection, symbol) for symbol in ("BTC-USD", "DAY-USD")]
    with connected(community, autocommit=True) as connection:
        retain(connection)
    assert oldest(community) is None
    with served(community) as api:
        assert [api.market(selection, symbol) for symbol in ("BTC-USD", "DAY-USD")] == found


def test_bars_that_a_correction_or_a_removal_took_are_no_dropped_ones(community: str) -> None:
    for month in (FEBRUARY, MARCH):
        load(community, month_load(month_bars(month, 24 * 29), month, "a"))
    load(community, month_load(month_bars(MARCH, 24 * 29), MARCH, "a", symbol="ETH-USD"))
    with connected(community, autocommit=True) as connection:
        retain(connection)
        shorter = month_load(month_bars(MARCH, 24 * 20), MARCH, "b")
        load_month(connection, shorter)
        remove_market(connection, "ETH-USD")
        load_month(connection, month_load(month_bars(MARCH, 24), MARCH, "c", symbol="ETH-USD"))
        refresh_aggregates(connection)
        assert aggregates_are_fresh(connection)
    assert rows(community, "SELECT symbol, count(*) FROM candle_1d GROUP BY symbol ORDER BY symbol") == [
        ("BTC-USD", 29 + 20),
        ("ETH-USD", 1),
    ]
