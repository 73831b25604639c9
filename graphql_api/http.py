"""HTTP/1.1 as uvicorn speaks it by httptools, which is several times faster than its other way, h11.

httptools hands on whatever it reads, and so the address, a header or a chunk's trailers of a request could
grow without end before anybody is asked. h11 bounds them itself; here it is this module that does.
"""

from __future__ import annotations

from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from graphql_api.patience import Patience

MAX_HEAD = 65_536  # bytes that may come without completing a head, or adding to a body


class Http(Patience, HttpToolsProtocol):
    """One client's connection; it is closed to a client who sends MAX_HEAD bytes of neither."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._unspent, self._asked = 0, False

    def data_received(self, data: bytes) -> None:
        """Read what came."""
        self._unspent += len(data)
        super().data_received(data)
        if self._unspent <= MAX_HEAD or self.transport.is_closing():
            return
        if self._asked and not self.cycle.response_complete:
            self.transport.close()  # an answer is on its way: another's bytes do not belong into it
        else:
            self.send_400_response(f"more than {MAX_HEAD} bytes of headers")

    def on_headers_complete(self) -> None:
        """Begin to answer."""
        self._unspent, self._asked = 0, True
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take in a part of the body, which is bounded where it is read."""
        self._unspent = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Take in the body's end."""
        self._unspent = 0
        super().on_message_complete()
