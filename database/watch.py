"""Waiting for what sessions answer: their sockets are watched from one read to the next.

To begin and to end that with each read, as psycopg's cursors do, takes a twentieth of a short answer's time:
uvloop makes a poll anew, by some six calls of the system. Nor can the loop itself watch for longer: libpq
closes the socket of a session that is lost, and its number may be another's at once, which a loop does not
bear. A selector does, for the system lets go of what is closed; and the loop watches the selector.
"""

from __future__ import annotations

import asyncio
from selectors import EVENT_READ, DefaultSelector
from typing import Any, TypeVar

from psycopg.abc import PQGen
from psycopg.waiting import Ready

R = TypeVar("R")


class Watch:
    """What watches the sockets of sessions; it is of the loop of the first read, and ends with it."""

    def __init__(self) -> None:
        self._selector = DefaultSelector()
        self._loop: asyncio.AbstractEventLoop | None = None

    def begin(self, socket: int, reads: Reads) -> asyncio.AbstractEventLoop:
        """Watch a session's socket, and return the loop."""
        loop = self._loop
        if loop is None:
            loop = asyncio.get_running_loop()
            loop.add_reader(self._selector, self._look)
            self._loop = loop
        self.end(socket)  # which was a lost session's
        self._selector.register(socket, EVENT_READ, reads)
        return loop

    def end(self, socket: int) -> None:
        """Watch a socket no more."""
        if socket in self._selector.get_map():
            self._selector.unregister(socket)

    def _look(self) -> None:
        for key, _ in self._selector.select(0):
            reads: Reads = key.data
            if not reads.go_on():
                self.end(key.fd)


class Reads:
    """What one session reads, one thing after the other."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._loop: asyncio.AbstractEventLoop | None = None  # while the socket is watched
        self._work: PQGen[Any] | None = None
        self._ended: asyncio.Future[Any] | None = None

    def read(self, socket: int, work: PQGen[R]) -> asyncio.Future[R]:
        """Return what a generator of psycopg's ends with, which has begun and waits to read."""
        loop = self._loop
        if loop is None:
            loop = self._loop = self._watch.begin(socket, self)
        self._work, self._ended = work, loop.create_future()
        return self._ended

    def go_on(self) -> bool:
        """Let the generator read what is there; return whether the socket is to be watched on."""
        work, ended = self._work, self._ended
        if work is None or ended is None or ended.done():
            # What a cursor reads, or the server says unasked, or the session's end; or who waited has gone.
            # It may stay there to be read: with the socket watched on, the loop would not come to rest.
            self._loop = None
            return False
        try:
            work.send(Ready.R)
        except StopIteration as end:
            self._work = self._ended = None  # the result may be large
            ended.set_result(end.value)
        except Exception as error:  # noqa: BLE001 - whatever it is, whoever waits has to hear of it
            self._work = self._ended = self._loop = None
            ended.set_exception(error)
            return False
        return True
