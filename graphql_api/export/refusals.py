"""What is refused before the first byte: JSON with the contract's codes, under the status that HTTP has."""

from __future__ import annotations

import orjson
from graphql import GraphQLError
from starlette.responses import Response

from btcql.errors import QueryError
from graphql_api.errors import describe

_STATUS = {
    "UNAUTHENTICATED": 401,
    "FORBIDDEN": 403,
    "MARKET_NOT_FOUND": 404,
    "FORECAST_UNAVAILABLE": 404,
    "RANGE_TOO_LARGE": 413,
    "RATE_LIMITED": 429,
    "INTERNAL": 500,
    "DATABASE_UNAVAILABLE": 503,
    "TIMEOUT": 504,
}


class NotFoundError(QueryError):
    """An address that no file has."""

    def __init__(self, message: str) -> None:
        super().__init__("BAD_USER_INPUT", message)


class OutsideError(QueryError):
    """A range of bytes of which a file of `size` has none."""

    def __init__(self, asked: str, size: int) -> None:
        self.size = size
        super().__init__("BAD_USER_INPUT", f"Range: {asked:.100} is not in the file of {size} bytes")


def refusal(error: Exception) -> Response:
    """Return the error, described as in an answer of GraphQL."""
    described = describe(GraphQLError(str(error), path=["export"], original_error=error))
    del described["path"]
    extensions = described["extensions"]
    headers = {"cache-control": "no-store"}
    if "retryAfter" in extensions:
        headers["retry-after"] = str(extensions["retryAfter"])
    status = _STATUS.get(extensions["code"], 400)
    if isinstance(error, NotFoundError):
        status = 404
    elif isinstance(error, OutsideError):
        status, headers["content-range"] = 416, f"bytes */{error.size}"
    return Response(orjson.dumps({"errors": [described]}), status, headers, "application/json")
