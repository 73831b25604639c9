"""HTTP/1.1 as uvicorn speaks it by httptools, which is several times faster than its other way, h11.

httptools hands on whatever it reads, and so the address, a header or a chunk's trailers of a request could
grow without end before anybody is asked. h11 bounds them itself; here it is this module that does. And a
request whose every byte came before is answered without being parsed (`wire.py`).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from graphql_api.patience import Patience
from graphql_api.repeats import WHOLE
from graphql_api.wire import SCOPE, Begun, Wire

if TYPE_CHECKING:
    from starlette.types import Receive

MAX_HEAD = 65_536  # bytes that may come without completing a head, or adding to a body
_SHORT = 32_768  # bytes of a body
_END, _LAST_END = b"\r\n", b"connection: close\r\n\r\n"  # of a head


class Http(Patience, HttpToolsProtocol):
    """One client's connection; it is closed to a client who sends MAX_HEAD bytes of neither.

    The application's state has as "wire" what knows requests again, unless all are to be parsed.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._unspent = 0
        self._wire: Wire | None = self.app_state.get("wire")
        # of what came last: how many requests it began; whether the last one is not whole, or plain HTTP
        self._requests, self._is_inside, self._is_plain = 0, False, False

    def data_received(self, data: bytes) -> None:
        """Read what came."""
        if self._repeats(data):
            return
        self._unspent += len(data)
        self._requests, between = 0, not self._is_inside
        super().data_received(data)
        if between and self._requests == 1 and self._is_whole():
            self.scope["state"][WHOLE] = data
        if self._unspent <= MAX_HEAD or self.transport.is_closing():
            return
        if self.is_answering:
            self.transport.close()  # an answer is on its way: another's bytes do not belong into it
        else:
            self.send_400_response(f"more than {MAX_HEAD} bytes of headers")

    def on_message_begin(self) -> None:
        """Begin to read a request."""
        self._requests += 1
        self._is_inside = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Begin to answer."""
        self._unspent = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take in a part of the body, which is bounded where it is read."""
        self._unspent = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Take in the body's end."""
        self._unspent, self._is_inside = 0, False
        self._is_plain = not self.parser.should_upgrade()
        super().on_message_complete()

    def _is_whole(self) -> bool:
        """Return whether the one request that came is whole, and leaves the connection as it was."""
        return (
            not self._is_inside
            and self._is_plain
            and not self.expect_100_continue
            and self.cycle.keep_alive
            and not self.transport.is_closing()
        )

    def _repeats(self, data: bytes) -> bool:
        """Answer a request whose every byte came before; return whether it was one."""
        if self._wire is None or self._is_inside or self._is_busy():
            return False
        asked = self._wire.find(data)
        if asked is None:
            return False
        found = self._wire.answer(asked, self.client, self.server_state.default_headers)
        if found is None:
            return False
        self._end_waiting()
        self._unspent = 0
        if isinstance(found, Begun):
            self._unset_keepalive_if_required()
            self._begin(found)
        else:
            head, body = found
            self._send(head, _END, body)
            self.server_state.total_requests += 1
            self.rest()
        return True

    def _is_busy(self) -> bool:
        """Return whether an answer is on its way, or not taken yet, or there are too many of all."""
        most = self.limit_concurrency
        return (
            self.is_answering
            or self.flow.write_paused
            or self.transport.is_closing()
            or (most is not None and (len(self.connections) >= most or len(self.tasks) >= most))
        )

    def _send(self, head: bytes, end: bytes, body: bytes) -> None:
        # to write three things takes the system longer than to copy a short one
        if len(body) <= _SHORT:
            self.transport.write(head + end + body)
        else:
            self.transport.writelines((head, end, body))

    def _begin(self, begun: Begun) -> None:
        """Begin to answer, as uvicorn does, so that it sees an answer that is on its way."""
        self.cycle = RequestResponseCycle(
            scope=SCOPE,  # type: ignore[arg-type]
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=False,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=False,
            keep_alive=True,
            on_response=self.on_response_complete,
        )
        self.cycle.more_body = False
        task = self.loop.create_task(self._respond(self.cycle, begun))
        task.add_done_callback(self.tasks.discard)
        self.tasks.add(task)

    async def _respond(self, cycle: RequestResponseCycle, begun: Begun) -> None:
        assert self._wire is not None
        receive = cast("Receive", cycle.receive)
        try:
            head, body = await self._wire.answer_anew(begun, receive, cycle.default_headers)
        except BaseException:
            # nobody is to wait for what does not come; what it was the loop tells, for nobody awaits this
            self.transport.close()
            raise
        if cycle.disconnected:
            return
        cycle.response_started = cycle.response_complete = True
        cycle.message_event.set()
        self._send(head, _END if cycle.keep_alive else _LAST_END, body)
        if not cycle.keep_alive:
            self.transport.close()
        cycle.on_response()
