"""The records of a forecast: what the model hands to the database, immutable once issued."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple

RETROSPECTIVE_AFTER = timedelta(days=2)
# Said wherever a forecast is shown: measured, for any method that was tried.
STATEMENT = (
    "The central line is no more accurate than today's price: what the forecast offers is its bands, "
    "and nothing is promised."
)


class DailyColumns(NamedTuple):
    """Closed daily bars by column, ascending by day: prices in the quote currency, volume in the base."""

    day: list[date]
    open: list[float]
    high: list[float]
    low: list[float]
    close: list[float]
    volume: list[float]


class ForecastPoint(NamedTuple):
    """The forecast of one later day: a price for each of the vintage's probabilities, strictly ascending."""

    horizon: int
    day: date
    prices: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class ModelCard:
    """How a vintage was made: enough to make it again, and to tell two of them apart.

    trained_from, trained_through: the first and the last bar used; data_hash: sha256 (hex) of exactly
    those bars. parameters, libraries: what JSON can hold.
    """

    name: str
    version: str
    trained_from: date
    trained_through: date
    data_hash: str
    parameters: Mapping[str, object]
    libraries: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Vintage:
    """One forecast: quantiles of the closes of the days after `based_on`, nearest day first."""

    based_on: date
    last_close: float
    probabilities: tuple[float, ...]
    points: tuple[ForecastPoint, ...]
    model: ModelCard


@dataclass(frozen=True, slots=True)
class BacktestFigures:
    """How a model would have done on a market's past days, all horizons together.

    pinball_ratio: to the four-year quantiles' loss; relative_mae: of the median, to the last price's;
    coverage80, coverage95: shares of outcomes that the bands held; year_...: of the year's origins that ends
    with the last one.
    """

    origins: int
    pinball_ratio: float
    relative_mae: float
    coverage80: float
    coverage95: float
    year_coverage80: float
    year_coverage95: float
    first_origin: date
    last_origin: date


@dataclass(frozen=True, slots=True)
class BacktestRecord(BacktestFigures):
    """The figures with whose they are. data_hash: sha256 (hex) of the market's bars."""

    name: str
    version: str
    data_hash: str


def is_retrospective(based_on: date, issued_at: datetime) -> bool:
    """Whether a forecast came too late to count as one: over two days after `based_on` had ended (UTC)."""
    ended_at = datetime.combine(based_on, time(), tzinfo=UTC) + timedelta(days=1)
    return issued_at > ended_at + RETROSPECTIVE_AFTER
