"""Past forecasts by column, for the record of how they did."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from database.columns import Floats, Ints, fetch_columns
from database.pool import Connection
from database.queries import query


@dataclass(frozen=True)
class Issued:
    """m forecasts by id, ascending: arrays of shape (m,); days since 1970.

    day: the last one each used; first: the first one; horizons: how many days it reaches.
    """

    forecast_id: Ints
    day: Ints
    first: Ints
    last_close: Floats
    horizons: Ints


@dataclass(frozen=True)
class Said:
    """n quantiles of forecasts: arrays of shape (n,); the price not exceeded with the probability."""

    forecast_id: Ints
    horizon: Ints
    probability: Floats
    price: Floats


async def fetch_issued(
    connection: Connection, symbol: str, start: date, end: date, most: int, *, retrospective: bool
) -> Issued:
    """Return the forecasts based on days in [start, end), at most `most` of them."""
    parameters = {
        "symbol": symbol,
        "start": start,
        "end": end,
        "most": most,
        "retrospective": retrospective,
    }
    names = ("forecast_id", "day", "first", "last_close", "horizons")
    columns, _ = await fetch_columns(connection, query("fetch_issued"), names, parameters)
    return Issued(*columns)


async def fetch_quantiles(connection: Connection, forecasts: Ints, end: date) -> Said:
    """Return what the forecasts of these ids said of the days before `end`."""
    parameters = {"forecasts": forecasts.tolist(), "end": end}
    names = ("forecast_id", "horizon", "probability", "price")
    columns, _ = await fetch_columns(connection, query("fetch_quantiles"), names, parameters)
    return Said(*columns)
