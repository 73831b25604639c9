"""The questions of the API's benchmark, each as every contestant is asked it, and what is aimed at."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

_FIELDS = "start open high low close volume"


@dataclass(frozen=True)
class Question:
    """A question by its name; rows: of one answer; goals: the API's least ratio to each peer."""

    name: str
    rows: int
    graphql: str
    json_agg: str
    postgraphile: str | None
    goals: dict[str, float]


def questions(end: datetime) -> list[Question]:
    """Return the questions about a market whose bars end at `end`, midnight UTC."""
    goals = {
        30: {"json_agg": 0.65, "postgraphile": 1.3},
        365: {"json_agg": 0.75, "postgraphile": 2.5},
        3653: {"json_agg": 0.75, "postgraphile": 5.0},
    }
    asked = [
        Question(
            f"{days} daily bars",
            days,
            _market(_candles(end, days, "DAY")),
            _path("days", end, days),
            _postgraphile("allCandle1DsList", end, days),
            goals[days],
        )
        for days in (30, 365, 3653)
    ]
    year = _days(end, 365)
    return [
        *asked,
        Question(
            "7-day average, a year",
            365,
            _market(f"movingAverage({year}, window: 7) {{ points {{ start value }} }}"),
            _path("average", end, 365),
            None,
            {},
        ),
        Question(
            "a day of minutes",
            1440,
            _market(_candles(end, 1, "MINUTE")),
            _path("minutes", end, 1),
            _postgraphile("allCandlesList", end, 1),
            {},
        ),
        Question(
            "30 days of minutes",
            43_200,
            _market(
                " ".join(
                    f"part{part}: " + _candles(end - timedelta(days=6 * part), 6, "MINUTE")
                    for part in range(5)
                )
            ),
            _path("minutes", end, 30),
            _postgraphile("allCandlesList", end, 30),
            {"json_agg": 0.9},
        ),
        Question(
            "the latest price",
            1,
            _market("price { at value }"),
            _path("price", end + timedelta(days=1), 7),
            None,
            {},
        ),
    ]


def _market(selection: str) -> str:
    return f"{{ market {{ {selection} }} }}"


def _days(end: datetime, days: int) -> str:
    first, last = end - timedelta(days=days), end - timedelta(days=1)
    return f'range: {{days: {{from: "{first:%Y-%m-%d}", to: "{last:%Y-%m-%d}"}}}}'


def _candles(end: datetime, days: int, interval: str) -> str:
    return f"candles({_days(end, days)}, interval: {interval}) {{ points {{ {_FIELDS} }} }}"


def _path(name: str, end: datetime, days: int) -> str:
    start = end - timedelta(days=days)
    return f"/{name}?" + urlencode({"start": start.isoformat(), "end": end.isoformat()})


def _postgraphile(field: str, end: datetime, days: int) -> str:
    start = (end - timedelta(days=days)).astimezone(UTC)
    bounds = f'{{greaterThanOrEqualTo: "{start.isoformat()}", lessThan: "{end.isoformat()}"}}'
    fields = _FIELDS.replace("start", "ts")
    return f'{{ {field}(filter: {{symbol: {{equalTo: "BTC-USD"}}, ts: {bounds}}}) {{ {fields} }} }}'
