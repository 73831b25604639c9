"""The least that a price API can do: PostgreSQL writes the JSON, Starlette passes its bytes on.

    uvicorn benchmarks.peers:create_app --factory       (BTCQL_DATABASE_URL names the database)

The same pool of sessions, the same server, the same rows as the API's; no GraphQL, no types, no checks.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, LiteralString

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from btcql.errors import DatabaseUnavailableError
from database.pool import Connection, Pool

_CANDLES: LiteralString = """
SELECT json_agg(bar)::text
FROM (SELECT ts AS start, open, high, low, close, volume
      FROM {} WHERE symbol = %(symbol)s AND ts >= %(start)s AND ts < %(end)s {} ORDER BY ts) AS bar
"""
QUERIES: dict[str, LiteralString] = {
    "days": _CANDLES.format("candle_1d", ""),
    "minutes": _CANDLES.format("candle", "AND minutes = 1"),
    "average": """
        SELECT json_agg(point)::text
        FROM (SELECT ts AS start, avg(close) OVER (ORDER BY ts ROWS 6 PRECEDING) AS value
              FROM candle_1d
              WHERE symbol = %(symbol)s AND ts >= %(start)s::timestamptz - INTERVAL '6 days' AND ts < %(end)s
              ORDER BY ts OFFSET 6) AS point
    """,
    "price": """
        SELECT json_build_object('at', ts + minutes * INTERVAL '1 minute', 'value', close)::text
        FROM candle
        WHERE symbol = %(symbol)s AND ts >= %(start)s AND ts < %(end)s
        ORDER BY ts DESC LIMIT 1
    """,
}


_CHUNKED = {"minutes", "price"}  # a plan that is kept would open every chunk


async def fetch_text(
    connection: Connection, query: LiteralString, parameters: dict[str, Any], *, chunked: bool
) -> bytes:
    """Return the JSON that PostgreSQL writes."""
    prepare = not (chunked and connection.prepared.has_chunks)
    cursor = await connection.execute(query, parameters, prepare=prepare)
    result = cursor.pgresult
    assert result is not None
    return result.get_value(0, 0) or b"[]"


def create_app() -> Starlette:
    """Return the application: /{days,minutes,average,price}?start=...&end=..., instants in ISO 8601."""
    pool = Pool(os.environ["BTCQL_DATABASE_URL"])

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        await pool.open()
        yield
        await pool.close()

    async def answer(request: Request) -> Response:
        asked = request.query_params
        parameters = {
            "symbol": "BTC-USD",
            "start": datetime.fromisoformat(asked["start"]),
            "end": datetime.fromisoformat(asked["end"]),
        }
        name = request.path_params["name"]
        text = await pool.run(fetch_text, QUERIES[name], parameters, chunked=name in _CHUNKED)
        return Response(text, media_type="application/json")

    async def refuse(_request: Request, _error: Exception) -> Response:
        return Response(status_code=503)

    return Starlette(
        routes=[Route("/{name}", answer)],
        exception_handlers={DatabaseUnavailableError: refuse},
        lifespan=lifespan,
    )
