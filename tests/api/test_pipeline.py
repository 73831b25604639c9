"""What the API says of the pipeline, from the database alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from datetime import UTC, date, datetime, timedelta

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from database.connection import connected
from database.quality import QualityWarning, write_warnings
from database.runs import Plan, recorded, write_plan
from tests.api.markets import NOW, load, numbered, without
from tests.api.serving import Api, serving
from tests.conftest import Database

HOUR = timedelta(hours=1)
STATUS = "{ pipeline { lastRunAt lastSuccessAt state visualiserUrl recentLoads { symbol } } }"


@pytest.fixture
def fresh(database: Database) -> Iterator[Api]:
    with serving(database.reader_url) as running:
        yield running


def run(url: str, market: str, began: datetime, error: str = "") -> None:
    times = iter([began, began, began + HOUR])
    trouble = pytest.raises(RuntimeError) if error else nullcontext()
    with trouble, recorded(url, market, "refresh", lambda: next(times)):
        work(error)


def work(error: str) -> None:
    if error:
        raise RuntimeError(error)


def test_a_pipeline_that_never_ran_is_idle(fresh: Api) -> None:
    assert fresh.ask(STATUS)["pipeline"] == {
        "lastRunAt": None,
        "lastSuccessAt": None,
        "state": "idle",
        "visualiserUrl": "http://127.0.0.1:8082/static/visualiser/index.html",
        "recentLoads": [],
    }


def test_the_state_is_the_one_of_the_market_that_most_needs_a_look(database: Database, fresh: Api) -> None:
    def status() -> tuple[str, str, str]:
        found = fresh.ask(STATUS)["pipeline"]
        return found["state"], found["lastRunAt"], found["lastSuccessAt"]

    run(database.url, "BTC-USD", NOW)
    assert status() == ("succeeded", "2024-01-11T12:34:56Z", "2024-01-11T13:34:56Z")
    run(database.url, "ETH-USD", NOW + HOUR, "no bars")
    run(database.url, "BTC-USD", NOW + 3 * HOUR)
    assert status() == ("failed", "2024-01-11T15:34:56Z", "2024-01-11T16:34:56Z")
    run(database.url, "ETH-USD", NOW + 5 * HOUR)
    assert status()[0] == "succeeded"
    with recorded(database.url, "BTC-USD", "refresh", lambda: NOW + 9 * HOUR):
        assert status() == ("running", "2024-01-11T21:34:56Z", "2024-01-11T18:34:56Z")


def test_a_killed_run_is_no_running_one(database: Database, fresh: Api) -> None:
    run(database.url, "BTC-USD", NOW)
    with connected(database.url) as connection:
        connection.execute("UPDATE pipeline_run SET state = 'running', ended_at = NULL")
    assert fresh.ask(STATUS)["pipeline"]["state"] == "interrupted"


def test_loads_lead_from_a_market_to_its_raw_objects(database: Database, fresh: Api) -> None:
    load(database.url, "DAY-USD", numbered("2023-12-20", 20), "bitstamp", "file%3Aarchive")
    fields = "symbol source from to rows rawObject sha256"
    loads = fresh.ask(f"{{ pipeline {{ recentLoads {{ {fields} }} }} }}")["pipeline"]["recentLoads"]
    assert [(found["rawObject"], found["source"]) for found in loads] == [
        ("raw/source=bitstamp/2024-01-01", "bitstamp"),
        ("raw/source=file%3Aarchive/2024-01-01", "file:archive"),
        ("raw/source=bitstamp/2023-12-01", "bitstamp"),
        ("raw/source=file%3Aarchive/2023-12-01", "file:archive"),
    ]
    assert loads[0] | {"sha256": ""} == {
        "symbol": "DAY-USD",
        "source": "bitstamp",
        "from": "2024-01-01T00:00:00Z",
        "to": "2024-01-09T00:00:00Z",
        "rows": 8,
        "rawObject": "raw/source=bitstamp/2024-01-01",
        "sha256": "",
    }
    newest = fresh.ask("{ pipeline { recentLoads(first: 1) { rawObject } } }")["pipeline"]["recentLoads"]
    assert newest == [{"rawObject": "raw/source=bitstamp/2024-01-01"}]


def test_of_one_run_the_newest_months_come_first_in_whichever_order_they_were_loaded(
    plain: Database,
) -> None:
    def now() -> datetime:
        return datetime.now(UTC)

    for symbol in ("ETH-USD", "DAY-USD"):
        with recorded(plain.url, symbol, "import", now):
            for first in ("2024-01-01", "2023-12-01", "2023-11-01"):
                load(plain.url, symbol, numbered(first, 20), "bitstamp")
    load(plain.url, "SOL-USD", numbered("2020-01-01", 20), "bitstamp")
    with serving(plain.url) as api:
        loads = api.ask("{ pipeline { recentLoads(first: 5) { symbol from } } }")["pipeline"]["recentLoads"]
    assert [(found["symbol"], found["from"][:7]) for found in loads] == [
        ("SOL-USD", "2020-01"),  # of no run
        ("DAY-USD", "2024-01"),
        ("DAY-USD", "2023-12"),
        ("DAY-USD", "2023-11"),
        ("ETH-USD", "2024-01"),
    ]


def test_runs_are_told_newest_first_with_how_they_went(database: Database, fresh: Api) -> None:
    run(database.url, "BTC-USD", NOW)
    run(database.url, "ETH-USD", NOW + HOUR, "no bars")
    fields = "symbol task state startedAt endedAt rows"
    with recorded(database.url, "BTC-USD", "import", lambda: NOW + 3 * HOUR):
        told = fresh.ask(f"{{ pipeline {{ recentRuns {{ {fields} }} }} }}")["pipeline"]["recentRuns"]
    assert [(found["symbol"], found["task"], found["state"], found["endedAt"]) for found in told] == [
        ("BTC-USD", "import", "running", None),
        ("ETH-USD", "refresh", "failed", "2024-01-11T14:34:56Z"),
        ("BTC-USD", "refresh", "succeeded", "2024-01-11T13:34:56Z"),
    ]
    assert told[1]["startedAt"] == "2024-01-11T13:34:56Z"
    newest = fresh.ask("{ pipeline { recentRuns(first: 1) { state } } }")["pipeline"]["recentRuns"]
    assert newest == [{"state": "succeeded"}]


def test_what_is_odd_about_the_loaded_bars_is_told(database: Database, fresh: Api) -> None:
    load(database.url, "DAY-USD", numbered("2023-12-20", 20), "bitstamp")
    found = QualityWarning(
        "hole", "bitstamp", NOW - 240 * HOUR, NOW - 235 * HOUR, 5, "no bars for 5 hours <b>"
    )
    with connected(database.url) as connection:
        write_warnings(connection, "DAY-USD", date(2024, 1, 1), [found])
    fields = "symbol kind source from to bars message"
    assert fresh.ask(f"{{ pipeline {{ qualityWarnings {{ {fields} }} }} }}")["pipeline"] == {
        "qualityWarnings": [
            {
                "symbol": "DAY-USD",
                "kind": "hole",
                "source": "bitstamp",
                "from": "2024-01-01T12:34:56Z",
                "to": "2024-01-01T17:34:56Z",
                "bars": 5,
                "message": "no bars for 5 hours <b>",
            }
        ]
    }


@pytest.mark.parametrize("field", ["recentLoads", "recentRuns", "qualityWarnings"])
@pytest.mark.parametrize("first", [0, 1001])
def test_a_number_out_of_bounds_is_named(api: Api, field: str, first: int) -> None:
    error = api.error(f"query ($n: Int!) {{ pipeline {{ {field}(first: $n) {{ symbol }} }} }}", n=first)
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert f"first: {first} " in error["message"]


def test_freshness_tells_when_the_schedule_refreshes_next(database: Database, fresh: Api) -> None:
    load(database.url, "BTC-USD", numbered("2024-01-01", 10), "bitstamp")
    with connected(database.url) as connection:
        write_plan(connection, "BTC-USD", Plan(datetime(2024, 1, 12, 0, 44, tzinfo=UTC), 0))
    assert fresh.market("freshness { nextRefreshAt stale }")["freshness"] == {
        "nextRefreshAt": "2024-01-12T00:44:00Z",
        "stale": False,
    }


def metrics(answer: httpx.Response) -> dict[str, float]:
    return {
        family.name.removeprefix("btcql_"): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
        if sample.labels == {"market": "BTC-USD"}
    }


def test_metrics_are_of_the_markets(database: Database, fresh: Api) -> None:
    bars = without(numbered("2023-12-01", 41), "2023-12-10", "2023-12-12")
    load(database.url, "BTC-USD", bars, "bitstamp")
    load(database.url, "DAY-USD", numbered("2023-12-01", 3), "bitstamp")
    first = fresh.http.get("/metrics")
    assert first.headers["content-type"].startswith("text/plain")
    through = datetime(2024, 1, 11, tzinfo=UTC)
    expected = {
        "followed": 1.0,
        "rows": 39.0,
        "missing_days": 2.0,
        "data_through_timestamp_seconds": through.timestamp(),
        "lag_seconds": (NOW - through).total_seconds(),
    }
    assert metrics(first) == expected
    run(database.url, "BTC-USD", NOW)
    with connected(database.url) as connection:
        write_plan(connection, "BTC-USD", Plan(NOW, 3))
    assert metrics(fresh.http.get("/metrics")) == expected | {
        "last_success_timestamp_seconds": (NOW + HOUR).timestamp(),
        "failures": 3.0,
    }
