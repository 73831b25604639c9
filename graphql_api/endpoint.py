"""The route /graphql: what happens to a request, step by step; each step is a module of its own."""

from __future__ import annotations

from typing import Protocol

import orjson
from graphql import OperationType
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive

from btcql.errors import DatabaseUnavailableError, QueryError
from graphql_api.admission import Admission, Admitted
from graphql_api.answering import Answering, Found
from graphql_api.auth import MIN_COST, Client, Gate
from graphql_api.context import Context
from graphql_api.cost import Cost
from graphql_api.deadline import Attendance
from graphql_api.delivery import Reply, Wish, deliver, deliver_found
from graphql_api.encoding import Encoded
from graphql_api.errors import RETRY_SECONDS, STATUS, request_error
from graphql_api.exchange import name_operation, note_admitted
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


class NewContext(Protocol):
    """What makes a context for a client, with the cost of what it asks if that is known already."""

    def __call__(self, client: Client, *, cost: Cost | None = None) -> Context:
        """Return the context."""


class Endpoint:
    """The route /graphql; `new_context` makes what a request's resolvers are given."""

    def __init__(
        self,
        gate: Gate,
        admission: Admission,
        answering: Answering,
        new_context: NewContext,
        playground: Page | None,
    ) -> None:
        self._gate, self._admission, self._answering = gate, admission, answering
        self._new_context, self._playground = new_context, playground
        self._attendance = Attendance()

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
            # 2 what is asked, and 3 to 5 whether it may be
            asked = await read_request(request)
            admitted, context = self._admit(asked, client, media_type)
        except RefusedError as refused:
            body = {"errors": [request_error(str(refused))]}
            return Response(orjson.dumps(body), refused.status, refused.headers, media_type)
        except ClientDisconnect:
            return Response(status_code=400)  # nobody is there to see it
        except Exception as error:  # noqa: BLE001 - whatever it is, the client gets an answer
            reply = await _reply(Wish.of(request), _refusal(error), media_type)
        else:
            reply = await self._answer(request.receive, Wish.of(request), admitted, context)
        return reply.response()

    def _admit(self, asked: GraphQLRequest, client: Client, media_type: str) -> tuple[Admitted, Context]:
        operation, context = self._admission.admit(asked, self._new_context(client))
        if operation.node.operation is OperationType.SUBSCRIPTION:
            raise QueryError("BAD_USER_INPUT", "a subscription comes by WebSocket (graphql-transport-ws)")
        assert context.cost is not None
        admitted = Admitted(operation, asked.variables, context.cost, media_type)
        note_admitted(admitted)
        return admitted, context

    async def again(self, receive: Receive, wish: Wish, admitted: Admitted, client: Client) -> Reply:
        """Answer a request that was admitted before, for a client of the same scopes who has paid for it."""
        name_operation(admitted.operation.name)
        return await self._answer(receive, wish, admitted, self._new_context(client, cost=admitted.cost))

    async def _answer(self, receive: Receive, wish: Wish, admitted: Admitted, context: Context) -> Reply:
        media_type = admitted.media_type
        try:
            # 6 an answer kept from before, or 7 a new one
            answer = await self._attendance.attend(
                receive, self._answering.answer(admitted.operation, admitted.variables, context)
            )
        except ClientDisconnect:
            return Reply(400, (), b"")
        except Exception as error:  # noqa: BLE001 - as above
            answer = _refusal(error)
        # 8 on its way
        if isinstance(answer, Found):
            return await deliver_found(wish, answer, context.now, media_type, shared=not context.client.keyed)
        return await _reply(wish, answer, media_type)


def _refusal(error: Exception) -> Answer:
    """Return the answer to what was not executed, or not to its end; what nobody foresaw is masked."""
    match error:
        case DocumentError():
            return Answer.refusing(*error.errors)
        case QueryError():
            return Answer.refusing(error, executed=error.code == "TIMEOUT")
        case DatabaseUnavailableError():
            return Answer.refusing(error)
    return Answer.failing(error)


async def _reply(wish: Wish, answer: Answer, media_type: str) -> Reply:
    """Return an answer with errors under the status that the specification has for it in this media type."""
    headers = {}
    status = next((STATUS[code] for code in answer.codes if code in STATUS), 200)
    if answer.data is not None:
        status = 200
    elif status == 200 and not answer.executed and media_type == GRAPHQL_JSON:  # noqa: PLR2004 - OK
        status = 500 if "INTERNAL" in answer.codes else 400
    if status == STATUS["DATABASE_UNAVAILABLE"]:
        headers["retry-after"] = str(RETRY_SECONDS)
    return await deliver(wish, Encoded(orjson.dumps(answer.body())), status, headers, media_type)
