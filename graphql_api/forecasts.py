"""The field `forecast`: one vintage, its model, and its days with what became of them."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date, datetime

import strawberry

from btcql import calendar
from btcql.errors import QueryError
from btcql.records import Interval
from btcql.vintages import STATEMENT
from database.readers import forecasts as reader
from database.readers.forecasts import Vintage, VintagePoint
from database.readers.markets import MarketFacts
from graphql_api.context import Context
from graphql_api.ranges import complete_stop
from graphql_api.types import Freshness

MAX_HORIZON = 15
_LAST_DAY = date(9999, 12, 31)
_CLOSE_ENOUGH = 1e-9  # of two probabilities that are written alike


@strawberry.type
class PriceInterval:
    """The central interval that holds the price with `level` percent probability."""

    level: int
    lower: float
    upper: float


@strawberry.type
class PriceQuantile:
    """The price that is not exceeded with `probability`."""

    probability: float
    price: float


@strawberry.type(description="price: the median.")
class ForecastPoint:
    """The forecast of one day."""

    day: date
    horizon: int
    price: float
    quantiles: list[PriceQuantile]
    actual: float | None

    @strawberry.field
    def interval(self, level: int = 80) -> PriceInterval:
        """Return the central interval; raises QueryError (BAD_USER_INPUT) for a level not forecast."""
        lower = _price_at(self.quantiles, 0.5 - level / 200)
        upper = _price_at(self.quantiles, 0.5 + level / 200)
        if lower is None or upper is None or level <= 0:
            levels = ", ".join(map(str, _levels(self.quantiles)))
            raise QueryError("BAD_USER_INPUT", f"level {level} is not forecast: the levels are {levels}")
        return PriceInterval(level=level, lower=lower, upper=upper)


@strawberry.type(
    description=(
        "pinballRatio: mean pinball loss over the baseline's (rolling 4-year historical quantiles); "
        "below 1 is better. relativeMae: against 'the last price'. coverage: the share of outcomes that the "
        "band held; yearCoverage: of the origins of the year that ends with lastOrigin. By `btcql backtest`."
    )
)
class BacktestScore:
    """How the model did on days it had not seen."""

    origins: int
    pinball_ratio: float
    relative_mae: float
    coverage80: float
    coverage95: float
    year_coverage80: float
    year_coverage95: float
    first_origin: date
    last_origin: date


@strawberry.type
class ForecastModel:
    """What made a forecast: enough to make it again."""

    name: str
    version: str
    trained_from: date
    trained_through: date
    data_hash: str
    backtest: BacktestScore | None


@strawberry.type
class Forecast:
    """One vintage, as it was issued."""

    issued_at: datetime
    based_on: date
    retrospective: bool
    last_close: float
    stale: bool
    model: ForecastModel
    points: list[ForecastPoint]

    @strawberry.field
    def statement(self) -> str:
        """What its central line is worth, for people: show it beside the forecast."""
        return STATEMENT


async def read_forecast(context: Context, facts: MarketFacts, as_of: date | None, horizon: int) -> Forecast:
    """Return the newest forecast based on days up to and including `as_of` (None: of all).

    Raises QueryError: BAD_USER_INPUT for a horizon that it does not reach, FORECAST_UNAVAILABLE.
    """
    if not 1 <= horizon <= MAX_HORIZON:
        raise QueryError("BAD_USER_INPUT", f"horizon {horizon} is not in 1..{MAX_HORIZON}")
    vintage = await context.read(reader.fetch_vintage, facts.symbol, as_of or _LAST_DAY)
    if vintage is None:
        span = await context.read(reader.fetch_vintage_span, facts.symbol)
        raise QueryError("FORECAST_UNAVAILABLE", _why_none(facts.symbol, as_of, span))
    if horizon > vintage.horizons:
        raise QueryError("BAD_USER_INPUT", f"horizon {horizon} is beyond this forecast's {vintage.horizons}")
    return await show_vintage(context, facts, vintage, horizon, newest=as_of is None)


async def show_vintage(
    context: Context, facts: MarketFacts, vintage: Vintage, horizon: int, *, newest: bool
) -> Forecast:
    """Return the vintage up to `horizon`; only the `newest` of all can be stale."""
    points = await context.read(reader.fetch_points, facts.symbol, vintage, horizon)
    backtest = await context.read(
        reader.fetch_backtest, facts.symbol, vintage.model_name, vintage.model_version
    )
    complete = calendar.start_of(complete_stop(facts, Interval.DAY, context.now), Interval.DAY)
    overdue = calendar.midnight(vintage.based_on) + calendar.DAY < complete
    return Forecast(
        issued_at=vintage.issued_at,
        based_on=vintage.based_on,
        retrospective=vintage.retrospective,
        last_close=vintage.last_close,
        stale=newest and (overdue or Freshness.of(facts, context.now).stale),
        model=ForecastModel(
            name=vintage.model_name,
            version=vintage.model_version,
            trained_from=vintage.trained_from,
            trained_through=vintage.trained_through,
            data_hash=vintage.data_hash,
            backtest=None if backtest is None else BacktestScore(**asdict(backtest)),
        ),
        points=[_point(vintage, point, complete) for point in points],
    )


def _point(vintage: Vintage, point: VintagePoint, complete: int) -> ForecastPoint:
    """Return the day's forecast; `complete` is where the last complete day ends."""
    quantiles = [
        PriceQuantile(probability=probability, price=price)
        for probability, price in zip(vintage.probabilities, point.prices, strict=True)
    ]
    median = _price_at(quantiles, 0.5)
    assert median is not None  # every model forecasts the median
    return ForecastPoint(
        day=point.day,
        horizon=point.horizon,
        price=median,
        quantiles=quantiles,
        actual=point.close if calendar.midnight(point.day) + calendar.DAY <= complete else None,
    )


def _price_at(quantiles: list[PriceQuantile], probability: float) -> float | None:
    return next((q.price for q in quantiles if abs(q.probability - probability) < _CLOSE_ENOUGH), None)


def _levels(quantiles: list[PriceQuantile]) -> list[int]:
    """Return the percent levels of the symmetric pairs of quantiles, ascending."""
    lower = [q.probability for q in quantiles if q.probability < 0.5]  # noqa: PLR2004 - the median
    paired = [p for p in lower if _price_at(quantiles, 1 - p) is not None]
    return sorted(round(100 * (1 - 2 * p)) for p in paired)


def _why_none(symbol: str, as_of: date | None, span: tuple[date, date] | None) -> str:
    if span is None:
        return f"no forecast of {symbol} has been issued yet: they are made once its days are loaded"
    return f"no forecast of {symbol} is based on days up to {as_of}: they are based on {span[0]} to {span[1]}"
