"""The public record of past forecasts, recomputed here one number at a time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

from btcql.scores import DailyCloses, baseline
from btcql.vintages import Vintage
from ml.returns import historical_quantiles, later_returns
from tests.api.markets import PROBABILITIES, issue_forecast, load, numbered, walk, without
from tests.api.serving import Api, serving
from tests.conftest import Database

pytestmark = pytest.mark.parametrize("edition", ["plain"], indirect=True, scope="session")

FIELDS = "issued matured horizons { horizon matured pinballRatio relativeMae coverage80 coverage95 }"
# The model's data begin where `issue_forecast` says that they do.
LEARNED_FROM = pd.Timestamp("2023-01-01", tz="UTC")


@pytest.fixture
def days() -> pd.DataFrame:
    """Daily bars through 2024-01-10, of a market whose 2024-01-08 is missing."""
    return without(walk("2022-06-01", "2024-01-11", 1440, 8), "2024-01-08", "2024-01-09")


@pytest.fixture
def scored(database: Database, days: pd.DataFrame) -> Iterator[Api]:
    load(database.url, "BTC-USD", days, "bitstamp")
    with serving(database.reader_url) as running:
        yield running


def issue(database: Database, based_on: str, *, late: bool = False) -> Vintage:
    day = date.fromisoformat(based_on)
    issued_at = datetime(day.year, day.month, day.day, 1, tzinfo=UTC) + timedelta(days=30 if late else 1)
    return issue_forecast(database.url, "BTC-USD", day, issued_at)


def record(api: Api, arguments: str = "", symbol: str = "BTC-USD") -> Any:
    return api.market(f"forecastScore{arguments} {{ {FIELDS} }}", symbol)["forecastScore"]


def expected(vintages: list[Vintage], days: pd.DataFrame, horizon: int) -> dict[str, Any]:
    """Return what the record must say of one horizon, by the definitions."""
    close = days["close"].asfreq("D")
    losses: list[float] = []
    baselines: list[float] = []
    errors, moves, in80, in95 = [], [], [], []
    for vintage in vintages:
        point = vintage.points[horizon - 1]
        day = pd.Timestamp(point.day, tz="UTC")
        if day not in close.index or np.isnan(close[day]):
            continue
        came = np.log(close[day] / vintage.last_close)
        origin = pd.Timestamp(vintage.based_on, tz="UTC")
        past = np.log(close[max(LEARNED_FROM, origin - pd.Timedelta(days=1460)) : origin])
        history = np.quantile(past.diff(horizon).dropna(), PROBABILITIES)
        said = np.log(np.array(point.prices) / vintage.last_close)
        for probability, ours, plain in zip(PROBABILITIES, said, history, strict=True):
            for into, value in ((losses, ours), (baselines, plain)):
                weight = probability if came >= value else 1 - probability
                into.append(weight * abs(came - value))
        errors.append(abs(came - said[6]))
        moves.append(abs(came))
        in80.append(said[2] <= came <= said[10])
        in95.append(said[0] <= came <= said[12])
    if not errors:
        names = ("pinballRatio", "relativeMae", "coverage80", "coverage95")
        return {"horizon": horizon, "matured": 0, **dict.fromkeys(names)}
    return {
        "horizon": horizon,
        "matured": len(errors),
        "pinballRatio": pytest.approx(sum(losses) / sum(baselines), rel=1e-9),
        "relativeMae": pytest.approx(sum(errors) / sum(moves), rel=1e-9),
        "coverage80": pytest.approx(np.mean(in80)),
        "coverage95": pytest.approx(np.mean(in95)),
    }


def test_the_record_is_what_the_definitions_say(database: Database, scored: Api, days: pd.DataFrame) -> None:
    firsts = ["2023-10-01", "2023-11-15", "2023-12-20", "2023-12-30"]
    issued = [issue(database, day) for day in firsts]
    late = issue(database, "2023-11-01", late=True)
    open_ = issue(database, "2024-01-10")
    found = record(scored)
    assert (found["issued"], found["matured"]) == (5, 4)
    assert found["horizons"] == [expected([*issued, open_], days, h) for h in range(1, 16)]
    assert [score["matured"] for score in found["horizons"]] == [4] * 8 + [3] + [4] * 2 + [3] * 4
    with_late = record(scored, "(includeRetrospective: true)")
    assert (with_late["issued"], with_late["matured"]) == (6, 5)
    assert with_late["horizons"] == [expected([*issued, late, open_], days, h) for h in range(1, 16)]


RANGES = [
    ("both days are in", '{days: {from: "2023-10-01", to: "2023-11-15"}}', 2),
    ("and no day beyond", '{days: {from: "2023-10-02", to: "2023-11-14"}}', 0),
    ("rolling back from the last complete day", "{last: MONTH}", 1),
    ("all of them", "{last: ALL}", 3),
    ("all of time", '{days: {from: "0001-01-01", to: "9999-12-31"}}', 3),
    (
        "instants are widened to days",
        '{instants: {from: "2023-11-15T23:00:00Z", to: "2023-12-20T00:00:00.5Z"}}',
        2,
    ),
]


def test_a_range_is_of_the_days_that_forecasts_are_based_on(database: Database, scored: Api) -> None:
    for day in ("2023-10-01", "2023-11-15", "2023-12-20"):
        issue(database, day)
    for why, asked, count in RANGES:
        assert record(scored, f"(range: {asked})")["issued"] == count, why


def test_without_a_forecast_the_record_is_empty(scored: Api) -> None:
    assert record(scored) == {"issued": 0, "matured": 0, "horizons": []}
    error = scored.refused('forecastScore(range: {days: {from: "2024-01-02", to: "2024-01-01"}}) { issued }')
    assert error["extensions"]["code"] == "RANGE_INVALID"


def test_a_market_too_young_for_a_baseline_has_no_ratio_to_it(database: Database, scored: Api) -> None:
    load(database.url, "DAY-USD", numbered("2023-12-01", 41), "bitstamp")
    issue_forecast(database.url, "DAY-USD", date(2024, 1, 1), datetime(2024, 1, 2, tzinfo=UTC))
    first = record(scored, symbol="DAY-USD")["horizons"][0]
    assert (first["matured"], first["pinballRatio"], first["coverage95"]) == (1, None, 0)
    assert first["relativeMae"] == pytest.approx(1)


def test_the_baseline_is_the_models_own(edition: str, days: pd.DataFrame) -> None:
    close = days["close"].asfreq("D").to_numpy()
    traded = ~np.isnan(close)
    closes = DailyCloses(19_000, close)
    found = baseline(closes, 19_000, 19_000 + len(close) - 1, 15, np.array(PROBABILITIES))
    models = historical_quantiles(later_returns(np.where(traded, close, 1.0), traded))
    assert found == pytest.approx(models, rel=1e-12, abs=1e-15)
