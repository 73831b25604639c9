"""Which tables there are, what may be asked of each, and the reading of what an address asks for."""

from __future__ import annotations

from starlette.requests import Request

from btcql.records import DEFAULT_SYMBOL, AverageKind, Interval
from database.readers.markets import MarketFacts
from graphql_api.context import Context
from graphql_api.export.bars import export_averages, export_candles
from graphql_api.export.encoders import FORMATS
from graphql_api.export.parameters import Parameters
from graphql_api.export.refusals import NotFoundError
from graphql_api.export.tables import Table
from graphql_api.export.vintages import export_forecast
from graphql_api.forecasts import MAX_HORIZON
from graphql_api.inputs import Fill
from graphql_api.market import read_market

_RANGE = ("last", "lastDays", "from", "to")
_KNOWN = {
    "candles": ("symbol", *_RANGE, "interval", "fill", "includeIncomplete"),
    "movingAverage": ("symbol", *_RANGE, "window", "kind", "interval"),
    "forecast": ("symbol", "asOf", "horizon"),
}
_SCOPES = {
    "candles": ("export", "prices"),
    "movingAverage": ("export", "prices"),
    "forecast": ("export", "forecasts"),
}


def needed_scopes(name: str) -> dict[str, str]:
    """Return each scope that the table of this name needs, with what needs it."""
    return dict.fromkeys(_SCOPES.get(name, ()), f"/export/{name}")


async def read_table(request: Request, context: Context, most: int) -> Table:
    """Return the table that is asked for, of at most so many bars; raises what its GraphQL field would."""
    name = request.path_params["table"]
    if name not in _KNOWN or request.path_params["format"] not in FORMATS:
        raise NotFoundError(
            f"there is no {request.url.path}: give /export/<table>.<format>, "
            f"a table of {', '.join(_KNOWN)} and a format of {', '.join(FORMATS)}"
        )
    asked = Parameters.of(request.query_params.multi_items(), _KNOWN[name])
    if name == "forecast":
        as_of, horizon = asked.day("asOf"), asked.integer("horizon", MAX_HORIZON)
        return await export_forecast(context, await _facts(asked, context), as_of, horizon)
    interval, bounds = asked.word("interval", Interval.DAY), asked.range()
    if name == "movingAverage":
        window, kind = asked.integer("window"), asked.word("kind", AverageKind.SIMPLE)
        facts = await _facts(asked, context)
        return await export_averages(context, facts, bounds, window, kind, interval, most)
    fill, incomplete = asked.word("fill", Fill.NULL), asked.flag("includeIncomplete")
    facts = await _facts(asked, context)
    return await export_candles(context, facts, bounds, interval, fill, most, include_incomplete=incomplete)


async def _facts(asked: Parameters, context: Context) -> MarketFacts:
    return (await read_market(context, asked.text("symbol", DEFAULT_SYMBOL))).facts
