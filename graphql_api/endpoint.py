"""The route /graphql: what happens to a request, step by step; each step is a module of its own."""

from __future__ import annotations

from collections.abc import Callable

import orjson
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from btcql.errors import DatabaseUnavailableError, QueryError
from graphql_api.auth import ALL_SCOPES, MIN_COST, Client, Gate
from graphql_api.context import Context
from graphql_api.errors import RETRY_SECONDS, STATUS, request_error
from graphql_api.exchange import name_operation
from graphql_api.executor import Answer, DocumentError, Executor, Operation
from graphql_api.request import (
    GRAPHQL_JSON,
    JSON,
    GraphQLRequest,
    RefusedError,
    choose_media_type,
    prefers_html,
    read_request,
)
from graphql_api.scopes import needed_scopes


class Endpoint:
    """The route /graphql; `new_context` makes what a request's resolvers are given."""

    def __init__(
        self,
        gate: Gate,
        executor: Executor,
        new_context: Callable[[Client], Context],
        playground: Response | None,
    ) -> None:
        self._gate, self._executor = gate, executor
        self._new_context, self._playground = new_context, playground

    async def __call__(self, request: Request) -> Response:
        """Answer one HTTP request."""
        if self._playground and request.method in {"GET", "HEAD"} and prefers_html(request):
            return self._playground
        media_type = JSON
        try:
            media_type = choose_media_type(request)
            # 1 who asks; even what is refused costs something
            client = await self._gate.identify(request)
            self._gate.charge(client, MIN_COST)
            # 2 what is asked
            asked = await read_request(request)
            context = self._new_context(client)
        except RefusedError as refused:
            body = {"errors": [request_error(str(refused))]}
            return Response(orjson.dumps(body), refused.status, refused.headers, media_type)
        except ClientDisconnect:
            return Response(status_code=400)
        except (QueryError, DatabaseUnavailableError) as error:
            return _respond(Answer.refusing(error), media_type)
        try:
            # 3 the document
            operation = self._executor.prepare(asked.query, asked.operation_name)
            name_operation(operation.name)
            # 4 its limits and its cost, before the database is asked
            # 5 what the client may ask, and the cost charged to it
            if client.scopes != ALL_SCOPES:
                needed = needed_scopes(self._executor.schema, operation.document, operation.node)
                self._gate.require(client, needed)
            answer = await self._answer(operation, asked, context)
        except DocumentError as error:
            answer = Answer.refusing(*error.errors)
        except QueryError as error:
            answer = Answer.refusing(error)
        # 8 on its way
        return _respond(answer, media_type)

    async def _answer(self, operation: Operation, asked: GraphQLRequest, context: Context) -> Answer:
        # 6 an answer kept from before
        # 7 a new one
        return await self._executor.execute(operation, asked.variables, context)


def _respond(answer: Answer, media_type: str) -> Response:
    """Return the answer under the status that the specification has for it in this media type."""
    headers = {"cache-control": "no-store", "vary": "accept"}
    status = next((STATUS[code] for code in answer.codes if code in STATUS), 200)
    if answer.data is not None:
        status = 200
    elif status == 200 and not answer.executed and media_type == GRAPHQL_JSON:  # noqa: PLR2004 - OK
        status = 500 if "INTERNAL" in answer.codes else 400
    if status == STATUS["DATABASE_UNAVAILABLE"]:
        headers["retry-after"] = str(RETRY_SECONDS)
    return Response(orjson.dumps(answer.body()), status, headers, f"{media_type}; charset=utf-8")
