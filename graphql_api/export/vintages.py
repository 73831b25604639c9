"""The table of a forecast: a row a day, a column for each of its quantiles."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date

import numpy as np

from btcql import calendar
from database.readers.markets import MarketFacts
from graphql_api.context import Context
from graphql_api.export.tables import Chunk, Column, Kind, Table, market_name
from graphql_api.forecasts import Forecast, read_forecast
from graphql_api.types import Warning  # noqa: A004 - the contract's name

_COLUMNS = (
    Column("issuedAt", Kind.INSTANT),
    Column("basedOn", Kind.DAY),
    Column("retrospective", Kind.FLAG),
    Column("lastClose", Kind.FLOAT),
    Column("day", Kind.DAY),
    Column("horizon", Kind.INTEGER),
    Column("price", Kind.FLOAT),
    Column("actual", Kind.FLOAT, nullable=True),
)


async def export_forecast(context: Context, facts: MarketFacts, as_of: date | None, horizon: int) -> Table:
    """Return a forecast, its quantiles as q0.025, q0.05, ...; raises QueryError as `forecast` does."""
    forecast = await read_forecast(context, facts, as_of, horizon)
    quantiles = [quantile.probability for quantile in forecast.points[0].quantiles]
    columns = [*_COLUMNS, *(Column(f"q{probability:g}", Kind.FLOAT) for probability in quantiles)]
    name = f"{market_name(facts)}_forecast_{forecast.based_on:%Y%m%d}_{len(forecast.points)}"
    warnings = [Warning.of_made_up(facts.symbol)] if facts.synthetic else []
    return Table(name, columns, _once(_chunk(forecast)), len(forecast.points), warnings=warnings)


def _chunk(forecast: Forecast) -> Chunk:
    points = forecast.points
    n = len(points)
    prices = np.array([[quantile.price for quantile in point.quantiles] for point in points])
    return [
        np.full(n, calendar.microseconds(forecast.issued_at)),
        np.full(n, _number(forecast.based_on)),
        np.full(n, forecast.retrospective),
        np.full(n, forecast.last_close),
        np.array([_number(point.day) for point in points]),
        np.array([point.horizon for point in points]),
        np.array([point.price for point in points]),
        np.array([np.nan if point.actual is None else point.actual for point in points]),
        *prices.T,
    ]


def _number(day: date) -> int:
    return calendar.midnight(day) // calendar.DAY


async def _once(chunk: Chunk) -> AsyncIterator[Chunk]:
    yield chunk
