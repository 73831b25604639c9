"""The route /graphql: what happens to a request, step by step; each step is a module of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import orjson
from graphql import OperationType
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from btcql.errors import DatabaseUnavailableError, QueryError
from graphql_api.auth import ALL_SCOPES, MIN_COST, Client, Gate
from graphql_api.context import Context
from graphql_api.deadline import attend
from graphql_api.errors import RETRY_SECONDS, STATUS, request_error
from graphql_api.estimates import Estimator
from graphql_api.exchange import name_operation
from graphql_api.executor import Answer, DocumentError, Executor
from graphql_api.persisted import Documents
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
        documents: Documents,
        estimator: Estimator,
        playground: Response | None,
    ) -> None:
        self._gate, self._executor, self._new_context = gate, executor, new_context
        self._documents, self._estimator, self._playground = documents, estimator, playground

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
            answer = await self._answer(request, asked, self._new_context(client))
        except RefusedError as refused:
            body = {"errors": [request_error(str(refused))]}
            return Response(orjson.dumps(body), refused.status, refused.headers, media_type)
        except ClientDisconnect:
            return Response(status_code=400)  # nobody is there to see it
        except DocumentError as error:
            answer = Answer.refusing(*error.errors)
        except QueryError as error:
            answer = Answer.refusing(error, executed=error.code == "TIMEOUT")
        except DatabaseUnavailableError as error:
            answer = Answer.refusing(error)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is masked like a field's
            answer = Answer.failing(error)
        # 8 on its way
        return _respond(answer, media_type)

    async def _answer(self, request: Request, asked: GraphQLRequest, context: Context) -> Answer:
        # 3 the document
        operation = self._executor.prepare(self._documents.text_of(asked), asked.operation_name)
        self._documents.check(operation)
        name_operation(operation.name)
        if operation.node.operation is OperationType.SUBSCRIPTION:
            raise QueryError("BAD_USER_INPUT", "a subscription comes by WebSocket (graphql-transport-ws)")
        # 4 its cost, before the database is asked; the document's own limits are checked where it is read
        cost = self._estimator.estimate(operation, asked.variables, context.now)
        context = replace(context, cost=cost)
        # 5 what the client may ask, and the cost charged to it
        if context.client.scopes != ALL_SCOPES:
            needed = needed_scopes(self._executor.schema, operation.document, operation.node)
            self._gate.require(context.client, needed)
        self._gate.charge(context.client, max(MIN_COST, cost.total()), paid=MIN_COST)
        # 6 an answer kept from before
        # 7 a new one
        return await attend(request, self._executor.execute(operation, asked.variables, context))


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
