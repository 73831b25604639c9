"""The field `forecastScore`: how past forecasts did, against what needs no model."""

from __future__ import annotations

import asyncio
from datetime import date

import numpy as np
import strawberry

from btcql import calendar, scores
from btcql.errors import QueryError
from btcql.records import Interval
from database.readers import scores as reader
from database.readers.bars import fetch_closes
from database.readers.markets import MarketFacts
from database.readers.scores import Issued
from graphql_api.context import Context
from graphql_api.inputs import RangeInput
from graphql_api.ranges import bounds, complete_stop

_MOST = 5000  # forecasts: thirteen years of days, about a second of work
_FIRST_DAY, _LAST_DAY = calendar.midnight(date.min), calendar.midnight(date.max)


@strawberry.type
class HorizonScore:
    """How forecasts of so many days ahead did; nulls where none has matured."""

    horizon: int
    matured: int
    pinball_ratio: float | None
    relative_mae: float | None
    coverage80: float | None
    coverage95: float | None


@strawberry.type(
    description=(
        "issued: forecasts based on a day of the range; matured: those of which a day has its close. "
        "Losses and errors are of log returns."
    )
)
class ForecastScore:
    """The record of past forecasts."""

    issued: int
    matured: int
    horizons: list[HorizonScore]


async def read_score(
    context: Context, facts: MarketFacts, asked: RangeInput | None, *, include_retrospective: bool
) -> ForecastScore:
    """Return the record of the forecasts based on the days of a range (None: of all).

    Raises QueryError: RANGE_INVALID; RANGE_TOO_LARGE for more forecasts than one answer can score.
    """
    stop = complete_stop(facts, Interval.DAY, context.now)
    start, end = _FIRST_DAY, _LAST_DAY
    if asked is not None:
        start, end = bounds(asked, calendar.start_of(stop, Interval.DAY), facts)
    issued = await context.read(
        reader.fetch_issued,
        facts.symbol,
        _day(calendar.floor(start, Interval.DAY)),
        _day(calendar.ceil(end, Interval.DAY)),
        _MOST + 1,
        retrospective=include_retrospective,
    )
    count = len(issued.day)
    if count > _MOST:
        raise QueryError(
            "RANGE_TOO_LARGE",
            f"more than {_MOST} forecasts are based on days of this range: give a shorter one",
            maxPoints=_MOST,
            suggestedInterval=None,
        )
    if not count:
        return ForecastScore(issued=0, matured=0, horizons=[])
    said = await context.read(
        reader.fetch_quantiles, issued.forecast_id, _day(calendar.start_of(stop, Interval.DAY))
    )
    closes = await _read_closes(context, facts, issued, stop)
    found, matured = await asyncio.to_thread(_score, issued, said, closes)
    horizons = [
        HorizonScore(
            horizon=score.horizon,
            matured=score.matured,
            pinball_ratio=score.pinball_ratio,
            relative_mae=score.relative_mae,
            coverage80=score.coverage80,
            coverage95=score.coverage95,
        )
        for score in found
    ]
    return ForecastScore(issued=count, matured=matured, horizons=horizons)


async def _read_closes(context: Context, facts: MarketFacts, issued: Issued, stop: int) -> scores.DailyCloses:
    """Return the complete days' closes from four years before the first forecast on."""
    first = int(max(issued.first.min(), issued.day.min() - scores.FOUR_YEARS))
    closes = np.full(max(1, stop - first), np.nan)
    if stop > first:
        start, end = (calendar.start_of(day, Interval.DAY) for day in (first, stop))
        found = await context.read(fetch_closes, facts.symbol, Interval.DAY, start, end)
        closes[calendar.numbers(found.start, Interval.DAY) - first] = found.close
    return scores.DailyCloses(first, closes)


def _score(issued: Issued, said: reader.Said, closes: scores.DailyCloses) -> tuple[list[scores.Score], int]:
    """Return the scores by horizon, and how many forecasts have matured."""
    forecast = np.searchsorted(issued.forecast_id, said.forecast_id)
    value = np.log(said.price / issued.last_close[forecast])
    quantiles = scores.Quantiles(forecast, said.horizon, said.probability, value)
    origins = scores.Origins(issued.day, issued.first, issued.last_close)
    came = ~np.isnan(closes.at(issued.day[forecast] + said.horizon))
    found = scores.score(quantiles, origins, closes, int(issued.horizons.max()))
    return found, len(np.unique(forecast[came]))


def _day(instant: int) -> date:
    """Return the day that begins at an instant; what is beyond the last day of all is that day."""
    return calendar.to_datetime(min(max(instant, _FIRST_DAY), _LAST_DAY)).date()
