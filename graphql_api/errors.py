"""Errors at the edge: each becomes a message for whoever asked, and a code of the contract.

QueryError                            its own code and extensions
DatabaseUnavailableError              DATABASE_UNAVAILABLE, retryAfter in seconds (HTTP 503)
the document, its variables, types    BAD_USER_INPUT (QUERY_TOO_DEEP when nested beyond what can be read)
anything else                         INTERNAL with an errorId only; the log has the traceback under that id
"""

from __future__ import annotations

import logging
from typing import Any
from uuid import uuid4

from graphql import GraphQLError

from btcql.errors import DatabaseBusyError, DatabaseUnavailableError, QueryError
from graphql_api.exchange import add_error

RETRY_SECONDS = 5
# Refusals that HTTP has a status for, in either media type; those with a wait carry Retry-After.
STATUS = {"UNAUTHENTICATED": 401, "FORBIDDEN": 403, "RATE_LIMITED": 429, "DATABASE_UNAVAILABLE": 503}
_MOST_CHARACTERS = 1_000  # of a message

logger = logging.getLogger("btcql.api")


def describe(error: GraphQLError) -> dict[str, Any]:
    """Return the error as the response says it; logs what is the server's own fault."""
    message, extensions = _explain(error)
    add_error(extensions)
    described: dict[str, Any] = {"message": _shortened(message)}
    if error.locations:
        described["locations"] = [{"line": at.line, "column": at.column} for at in error.locations]
    if error.path is not None:
        described["path"] = error.path
    described["extensions"] = extensions
    return described


def request_error(message: str) -> dict[str, Any]:
    """Return the error of an HTTP request that holds no GraphQL request at all."""
    extensions = {"code": "BAD_USER_INPUT"}
    add_error(extensions)
    return {"message": _shortened(message), "extensions": extensions}


def mask(error: Exception) -> dict[str, Any]:
    """Return an error that no one foresaw, of which only its id is told; logs it under that."""
    message, extensions = _mask(error, "no field")
    add_error(extensions)
    return {"message": message, "extensions": extensions}


def _shortened(message: str) -> str:
    """Return a message that names a value of any length, at a length that can be read."""
    if len(message) <= _MOST_CHARACTERS:
        return message
    half = _MOST_CHARACTERS // 2
    return f"{message[:half]} ... {message[-half:]}"


def _explain(error: GraphQLError) -> tuple[str, dict[str, Any]]:
    cause = _cause(error)
    if isinstance(cause, QueryError):
        return str(cause), cause.extensions
    if isinstance(cause, DatabaseUnavailableError):
        logger.warning("%s", cause)
        busy = isinstance(cause, DatabaseBusyError)
        why = "too many questions wait for the database" if busy else "the database does not answer"
        message = f"{why} just now: ask again in {RETRY_SECONDS} seconds"
        return message, {"code": "DATABASE_UNAVAILABLE", "retryAfter": RETRY_SECONDS}
    if isinstance(cause, RecursionError):
        return "the document is nested too deeply", {"code": "QUERY_TOO_DEEP"}
    # What is wrong with the question itself is found before any field is resolved, and so has no path.
    if error.path is None and (cause is None or isinstance(cause, ValueError)):
        return error.message, {"code": "BAD_USER_INPUT"}
    return _mask(cause or error, error.path)


def _mask(error: BaseException, path: object) -> tuple[str, dict[str, Any]]:
    error_id = uuid4().hex
    fields = {"errorId": error_id}
    logger.error("error %s at %s", error_id, path, exc_info=error, extra={"fields": fields})
    return f"an internal error: its id is {error_id}", {"code": "INTERNAL", "errorId": error_id}


def _cause(error: GraphQLError) -> BaseException | None:
    """Return the exception below graphql-core's own, None if there is none."""
    cause: BaseException | None = error
    while isinstance(cause, GraphQLError):
        cause = cause.original_error
    return cause
