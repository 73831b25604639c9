"""Forecast vintages: the newest one as of a day, and its points with what became of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from btcql import calendar
from btcql.vintages import BacktestFigures
from database.pool import Connection
from database.queries import query


@dataclass(frozen=True)
class Vintage:
    """One issued forecast and the model behind it; probabilities ascending, horizons 1..horizons."""

    forecast_id: int
    based_on: date
    issued_at: datetime
    retrospective: bool
    last_close: float
    probabilities: list[float]
    model_name: str
    model_version: str
    trained_from: date
    trained_through: date
    data_hash: str
    horizons: int


@dataclass(frozen=True)
class VintagePoint:
    """A forecast day: prices ascending, one per probability; close: the day's bar as loaded, if any."""

    horizon: int
    day: date
    prices: list[float]
    close: float | None


async def fetch_vintage(connection: Connection, symbol: str, as_of: date) -> Vintage | None:
    """Return the newest forecast based on days up to and including `as_of`; None if there is none."""
    cursor = await connection.execute(query("fetch_vintage"), {"symbol": symbol, "as_of": as_of})
    row = await cursor.fetchone()
    return None if row is None else Vintage(*row)


async def fetch_backtest(
    connection: Connection, symbol: str, name: str, version: str
) -> BacktestFigures | None:
    """Return the newest backtest of a model on a market; None if there is none."""
    parameters = {"symbol": symbol, "name": name, "version": version}
    cursor = await connection.execute(query("fetch_backtest"), parameters)
    row = await cursor.fetchone()
    return None if row is None else BacktestFigures(*row)


async def fetch_vintage_span(connection: Connection, symbol: str) -> tuple[date, date] | None:
    """Return the first and the last day that forecasts of the market are based on; None: no forecast."""
    cursor = await connection.execute(query("fetch_vintage_span"), {"symbol": symbol})
    row = await cursor.fetchone()
    assert row is not None
    first, last = row
    return None if first is None else (first, last)


async def fetch_points(
    connection: Connection, symbol: str, vintage: Vintage, horizon: int
) -> list[VintagePoint]:
    """Return the vintage's points up to `horizon`, by horizon."""
    start = calendar.midnight(vintage.based_on)
    parameters = {
        "symbol": symbol,
        "forecast_id": vintage.forecast_id,
        "horizon": horizon,
        "start": calendar.to_datetime(start),
        "end": calendar.to_datetime(start) + timedelta(days=horizon + 1),
    }
    cursor = await connection.execute(query("fetch_points"), parameters)
    return [VintagePoint(*row) for row in await cursor.fetchall()]
