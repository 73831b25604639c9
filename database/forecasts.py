"""Forecast vintages: what they may learn from, and writing them down once and for good."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, date, datetime, time, timedelta

from psycopg.types.json import Jsonb

from btcql.calendar import SETTLING
from btcql.errors import ForecastError
from btcql.records import utc
from btcql.vintages import BacktestRecord, DailyColumns, Vintage, is_retrospective
from database.connection import Connection
from database.queries import query
from database.version import record_change

_SETTLING = timedelta(microseconds=SETTLING)


def read_daily_bars(connection: Connection, symbol: str, through: date, now: datetime) -> DailyColumns:
    """Return the market's closed daily bars up to and including the day `through`, ascending; empty if none.

    A day is closed when it has ended (UTC), 35 minutes have passed by `now`, and its bars are loaded whole.
    """
    ends_at = datetime.combine(through, time(), tzinfo=UTC) + timedelta(days=1)
    rows = connection.execute(
        query("read_daily_bars"),
        {"symbol": symbol, "ends_at": ends_at, "settled_at": utc(now) - _SETTLING},
    ).fetchall()
    return DailyColumns(*([row[column] for row in rows] for column in range(len(DailyColumns._fields))))


def find_vintage(
    connection: Connection, symbol: str, based_on: date, data_hash: str, name: str, version: str
) -> bool:
    """Return whether the forecast of this day by this model from these data stands already."""
    parameters = {
        "symbol": symbol,
        "based_on": based_on,
        "data_hash": data_hash,
        "name": name,
        "version": version,
    }
    return connection.execute(query("find_vintage"), parameters).fetchone() is not None


def read_newest_vintage(connection: Connection, symbol: str, as_of: date) -> date:
    """Return the day that the newest forecast up to `as_of` is based on; ForecastError if there is none."""
    found = connection.execute(query("read_newest_vintage"), [symbol, as_of]).fetchone()
    if found is None:
        raise ForecastError(f"{symbol} has no forecast up to {as_of}")
    return found[0]  # type: ignore[no-any-return]


def write_vintage(connection: Connection, symbol: str, vintage: Vintage, issued_at: datetime) -> bool:
    """Write the vintage with its model and its points in one transaction, and return whether it was added.

    False: the forecast of this day by this model from these data stands already, and nothing is changed; two
    writers at once add one. It is retrospective when `issued_at` is over two days after `based_on` ended.
    Raises DatabaseError through `connected` if the vintage breaks the tables' checks.
    """
    model = vintage.model
    with connection.transaction():
        added = connection.execute(
            query("write_forecast_model"),
            {
                "symbol": symbol,
                "name": model.name,
                "version": model.version,
                "trained_from": model.trained_from,
                "trained_through": model.trained_through,
                "data_hash": model.data_hash,
                "parameters": Jsonb(dict(model.parameters)),
                "libraries": Jsonb(dict(model.libraries)),
            },
        ).fetchone()
        if added is None:
            return False
        _write_forecast(connection, symbol, vintage, utc(issued_at), added[0])
        record_change(connection, symbol, "forecast")
    return True


def write_backtest(connection: Connection, symbol: str, record: BacktestRecord, made_at: datetime) -> None:
    """Write how a model would have done on the market; from now on it is the one that is shown."""
    with connection.transaction():
        connection.execute(
            query("write_backtest"), {**asdict(record), "symbol": symbol, "made_at": utc(made_at)}
        )
        record_change(connection, symbol, "backtest")


def _write_forecast(
    connection: Connection, symbol: str, vintage: Vintage, issued_at: datetime, model_id: int
) -> None:
    inserted = connection.execute(
        query("write_forecast"),
        {
            "symbol": symbol,
            "based_on": vintage.based_on,
            "issued_at": issued_at,
            "retrospective": is_retrospective(vintage.based_on, issued_at),
            "last_close": vintage.last_close,
            "model_id": model_id,
            "probabilities": list(vintage.probabilities),
        },
    ).fetchone()
    assert inserted is not None, "INSERT ... RETURNING without a conflict clause returns its row"
    with connection.cursor() as cursor:
        cursor.executemany(
            query("write_forecast_point"),
            [(inserted[0], point.horizon, point.day, list(point.prices)) for point in vintage.points],
        )
