"""What an HTTP request asks: GraphQL over HTTP by POST and GET, and the media types of its answer."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import orjson
from starlette.requests import Request

GRAPHQL_JSON = "application/graphql-response+json"
JSON = "application/json"
HTML = "text/html"
MAX_BODY = 1_000_000  # bytes
BODY_SECONDS = 10.0


@dataclass(frozen=True)
class GraphQLRequest:
    """What is asked, whichever way it came: without `query` by its hash in `extensions.persistedQuery`."""

    query: str | None
    operation_name: str | None
    variables: dict[str, Any] | None
    extensions: dict[str, Any] | None


class RefusedError(Exception):
    """An HTTP request that holds no GraphQL request; `status` says in what way."""

    def __init__(self, status: int, message: str, **headers: str) -> None:
        self.status = status
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}
        super().__init__(message)


async def read_request(request: Request) -> GraphQLRequest:
    """Return what the HTTP request asks; RefusedError says why it cannot be read."""
    if request.method == "POST":
        kind, _, charset = request.headers.get("content-type", "").lower().partition(";")
        if kind.strip() != JSON or ("charset" in charset and "utf-8" not in charset):
            raise RefusedError(415, f"the body's content-type must be {JSON} in UTF-8")
        return asked_by(_parse(await _body(request), "the body"))
    if request.method != "GET":
        raise RefusedError(405, f"{request.method} is not answered here", allow="GET, POST")
    parameters: dict[str, Any] = dict(request.query_params)
    for name in ("variables", "extensions"):
        if name in parameters:
            parameters[name] = _parse(parameters[name].encode(errors="replace"), name)
    return asked_by(parameters)


def asked_by(parameters: Any) -> GraphQLRequest:
    """Return the GraphQL request that a JSON object holds, whichever way it came; raises RefusedError."""
    if not isinstance(parameters, dict):
        raise RefusedError(400, "the body must be one JSON object with a `query`")
    query, name = parameters.get("query"), parameters.get("operationName")
    variables, extensions = parameters.get("variables"), parameters.get("extensions")
    if not isinstance(name, str | None):
        raise RefusedError(400, "`operationName` must be a string")
    for key, value in (("variables", variables), ("extensions", extensions)):
        if not isinstance(value, dict | None):
            raise RefusedError(400, f"`{key}` must be a JSON object")
    by_hash = query is None and extensions is not None and extensions.get("persistedQuery") is not None
    if not by_hash and (not isinstance(query, str) or not query.strip()):
        raise RefusedError(400, "`query` must be a GraphQL document")
    return GraphQLRequest(query, name or None, variables, extensions)


def prefers_html(request: Request) -> bool:
    """Return whether it is a browser's, who wants a page."""
    kinds = [kind for kind in _accepted(request) if kind in {HTML, JSON, GRAPHQL_JSON}]
    return kinds[:1] == [HTML]


def choose_media_type(request: Request) -> str:
    """Return the best media type that both sides know: application/json if the client takes anything."""
    for kind in _accepted(request):
        if kind in {JSON, GRAPHQL_JSON}:
            return kind
        if kind in {"*/*", "application/*"}:
            return JSON
    raise RefusedError(406, f"the answer is {GRAPHQL_JSON} or {JSON}")


async def _body(request: Request) -> bytes:
    """Return the body; RefusedError once it grows beyond MAX_BODY or takes longer than BODY_SECONDS."""
    chunks, size = [], 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                size += len(chunk)
                if size > MAX_BODY:
                    raise RefusedError(413, f"the body is more than {MAX_BODY} bytes", connection="close")
                chunks.append(chunk)
    except TimeoutError:
        message = f"the body did not come whole in {BODY_SECONDS:g} s"
        raise RefusedError(408, message, connection="close") from None
    return b"".join(chunks)


def _parse(text: bytes, name: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise RefusedError(400, f"{name} is not JSON: {error}") from None


def _accepted(request: Request) -> list[str]:
    """Return the media types that the client takes, best first; */* if it does not say."""
    weighed = []
    for entry in request.headers.get("accept", "*/*").split(","):
        kind, *parameters = (part.strip().lower() for part in entry.split(";"))
        quality = next((part[2:] for part in parameters if part.startswith("q=")), "1")
        try:
            weight = float(quality)
        except ValueError:
            weight = 0.0
        if weight > 0:
            weighed.append((weight, kind))
    return [kind for _, kind in sorted(weighed, key=lambda pair: -pair[0])]
