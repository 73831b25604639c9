"""Past forecasts by column, for the record of how they did."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from database.columns import Columns, Floats, Ints, fetch_columns
from database.pool import Connection
from database.queries import query

_ISSUED = Columns(
    {
        "forecast_id": "bigint",
        "day": "bigint",
        "first": "bigint",
        "last_close": "float8",
        "horizons": "bigint",
    }
)
_SAID = Columns({"forecast_id": "bigint", "horizon": "bigint", "probability": "float8", "price": "float8"})


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
    columns, _ = await fetch_columns(connection, query("fetch_issued"), _ISSUED, parameters)
    return Issued(*columns)


async def fetch_quantiles(connection: Connection, forecasts: Ints, end: date) -> Said:
    """Return what the forecasts of these ids said of the days before `end`."""
    parameters = {"forecasts": forecasts.tolist(), "end": end}
    columns, _ = await fetch_columns(connection, query("fetch_quantiles"), _SAID, parameters)
    return Said(*columns)
