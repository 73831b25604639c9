"""The application with a shortcut for requests that are known (`repeats.py`)."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from graphql_api import exchange
from graphql_api.deadline import Ending
from graphql_api.endpoint import Endpoint
from graphql_api.repeats import PATH, Repeats, read

_AT_ONCE = 0.1  # seconds that a body may take: the endpoint gives it more
_OK = 200
_LENGTH = b"content-length"


class Shortcut:
    """The application, but for requests that are known.

    A POST to /graphql that is not known goes to `endpoint` at once: nothing else takes it.
    """

    def __init__(self, app: ASGIApp, repeats: Repeats, endpoint: Endpoint) -> None:
        self._app, self._repeats, self._endpoint = app, repeats, endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request that is known, or pass it on."""
        if scope["type"] != "http" or scope["method"] != "POST" or scope["path"] != PATH:
            await self._app(scope, receive, send)
            return
        repeats = self._repeats
        first = await _receive_at_once(receive)
        asked = None if first is None else read(scope, first)
        peer = scope["client"][0] if scope["client"] else None
        known = None if asked is None else repeats.recognize(asked, peer)
        if asked is None or known is None:
            await self._ask(scope, _beginning_with(first, receive), send)
            return
        seen = exchange.current.get()
        assert seen is not None
        if (recalled := repeats.recall(known)) is not None:
            recalled.tell(seen)
            body = recalled.body
            headers = [(_LENGTH, b"%d" % len(body)), *recalled.repeat.headers]
            await send({"type": "http.response.start", "status": _OK, "headers": headers})
            await send({"type": "http.response.body", "body": body})
        elif (admitted := repeats.admitted(known, seen)) is not None:
            reply = await self._endpoint.again(receive, asked.wish, admitted, known.client)
            await reply.response()(scope, receive, send)
            repeats.remember(known.key, reply.status, reply.headers)
        else:
            response = await self._ask(scope, _beginning_with(first, receive), send)
            own = tuple(header for header in response.raw_headers if header[0] != _LENGTH)
            repeats.remember(known.key, response.status_code, own)
        repeats.remember_whole(scope, asked)

    async def _ask(self, scope: Scope, receive: Receive, send: Send) -> Response:
        """Have the endpoint read the request and answer it; return the response, which was sent."""
        response = await self._endpoint(Request(scope, receive))
        await response(scope, receive, send)
        return response


async def _receive_at_once(receive: Receive) -> Message | None:
    """Return the next message, None if it does not come in time."""
    ending = Ending()
    timer = asyncio.get_running_loop().call_later(_AT_ONCE, ending.end, TimeoutError())
    try:
        with ending:
            return await receive()
    except TimeoutError:
        return None
    finally:
        timer.cancel()


def _beginning_with(first: Message | None, receive: Receive) -> Receive:
    """Return `receive` with a message before the others, that was taken from it already; None: none was."""
    if first is None:
        return receive
    messages = [first]

    async def receive_again() -> Message:
        return messages.pop() if messages else await receive()

    return receive_again
