"""The route /graphql: what happens to a request, step by step; each step is a module of its own."""

from __future__ import annotations

from collections.abc import Callable

import orjson
from graphql import OperationType
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from btcql.errors import DatabaseUnavailableError, QueryError
from graphql_api.admission import Admission
from graphql_api.answering import Answering, Found
from graphql_api.auth import MIN_COST, Client, Gate
from graphql_api.context import Context
from graphql_api.deadline import attend
from graphql_api.delivery import deliver, deliver_found
from graphql_api.encoding import Encoded
from graphql_api.errors import RETRY_SECONDS, STATUS, request_error
from graphql_api.executor import Answer, DocumentError
from graphql_api.pages import Page
from graphql_api.request import (
    GRAPHQL_JSON,
    JSON,
    GraphQLRequest,
    RefusedError,
    choose_media_type,
    prefers_html,
    read_request,
)


class Endpoint:
    """The route /graphql; `new_context` makes what a request's resolvers are given."""

    def __init__(
        self,
        gate: Gate,
        admission: Admission,
        answering: Answering,
        new_context: Callable[[Client], Context],
        playground: Page | None,
    ) -> None:
        self._gate, self._admission, self._answering = gate, admission, answering
        self._new_context, self._playground = new_context, playground

    async def __call__(self, request: Request) -> Response:
        """Answer one HTTP request."""
        if self._playground and request.method in {"GET", "HEAD"} and prefers_html(request):
            return await self._playground.show(request)
        media_type = JSON
        try:
            media_type = choose_media_type(request)
            # 1 who asks; even what is refused costs something
            client = await self._gate.identify(request)
            self._gate.charge(client, MIN_COST)
            # 2 what is asked
            asked = await read_request(request)
            context = self._new_context(client)
            answer: Answer | Found = await self._answer(request, asked, context)
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
        if isinstance(answer, Found):
            return await deliver_found(request, answer, context.now, media_type, shared=not client.keyed)
        return await _respond(request, answer, media_type)

    async def _answer(self, request: Request, asked: GraphQLRequest, context: Context) -> Answer | Found:
        operation, context = self._admission.admit(asked, context)
        if operation.node.operation is OperationType.SUBSCRIPTION:
            raise QueryError("BAD_USER_INPUT", "a subscription comes by WebSocket (graphql-transport-ws)")
        # 6 an answer kept from before, or 7 a new one
        return await attend(request, self._answering.answer(operation, asked.variables, context))


async def _respond(request: Request, answer: Answer, media_type: str) -> Response:
    """Return an answer with errors under the status that the specification has for it in this media type."""
    headers = {}
    status = next((STATUS[code] for code in answer.codes if code in STATUS), 200)
    if answer.data is not None:
        status = 200
    elif status == 200 and not answer.executed and media_type == GRAPHQL_JSON:  # noqa: PLR2004 - OK
        status = 500 if "INTERNAL" in answer.codes else 400
    if status == STATUS["DATABASE_UNAVAILABLE"]:
        headers["retry-after"] = str(RETRY_SECONDS)
    return await deliver(request, Encoded(orjson.dumps(answer.body())), status, headers, media_type)
