"""What is new of a market, for whoever waits for it."""

from __future__ import annotations

from datetime import datetime

from btcql import calendar
from database.pool import Connection
from database.queries import query
from database.readers.forecasts import Vintage


async def fetch_pending(connection: Connection, symbol: str, since: int) -> int | None:
    """Return where the first day after `since` begins whose aggregates are still to be refreshed.

    Instants are epoch microseconds; None: all are as new as the bars. A load that is seen before this is
    read is either on the list or refreshed.
    """
    parameters = {"symbol": symbol, "since": calendar.to_datetime(since)}
    cursor = await connection.execute(query("fetch_pending"), parameters)
    row = await cursor.fetchone()
    assert row is not None
    return None if row[0] is None else calendar.microseconds(row[0])


async def fetch_newest_forecast(connection: Connection, symbol: str) -> int:
    """Return the id of the market's newest forecast; 0: it has none."""
    cursor = await connection.execute(query("fetch_newest_forecast"), {"symbol": symbol})
    row = await cursor.fetchone()
    assert row is not None
    newest: int = row[0]
    return newest


async def fetch_issued_after(
    connection: Connection, symbol: str, forecast_id: int, issued_after: datetime
) -> list[Vintage]:
    """Return the first few vintages that were written after `forecast_id` and issued after an instant."""
    parameters = {"symbol": symbol, "forecast_id": forecast_id, "issued_after": issued_after}
    cursor = await connection.execute(query("fetch_issued_after"), parameters)
    return [Vintage(*row) for row in await cursor.fetchall()]
