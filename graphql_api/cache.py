"""Answers kept: bounded in bytes, the longest unused goes first; and one computation for all who wait.

Of each question the newest answer is kept, with the version of the data that it was made of and how long it
stands (lifetime.py). Whether it still stands is for whoever finds it to say: one of an older version is what
there is when the database is down.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from graphql_api.encoding import Encoded
from graphql_api.lifetime import Lifetime

R = TypeVar("R")

_OVERHEAD = 1_000  # bytes of the objects around an answer, about


class Question(NamedTuple):
    """What an answer depends on beside the data and the time: `variables` as canonical JSON."""

    text: str
    operation: str | None
    variables: bytes
    scopes: frozenset[str]


@dataclass(frozen=True)
class Kept:
    """An answer without errors; version: None if none was known nor read; made_at: epoch microseconds."""

    encoded: Encoded
    version: int | None
    made_at: int
    lifetime: Lifetime


class Cache:
    """Answers by question, of at most `capacity` bytes together; 0: none."""

    def __init__(self, capacity: int) -> None:
        self.capacity, self.size = capacity, 0
        self._kept: OrderedDict[Question, tuple[Kept, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def find(self, question: Question) -> Kept | None:
        """Return the newest answer, whether it still stands or not."""
        found = self._kept.get(question)
        if found is None:
            return None
        self._kept.move_to_end(question)
        return found[0]

    def keep(self, question: Question, kept: Kept) -> None:
        """Keep the answer in place of an older one, unless it would take more than a quarter of the room."""
        self._forget(question)
        # compressed bytes come later, and are never more than the others
        size = 2 * len(kept.encoded.body) + 4 * len(question.text) + len(question.variables) + _OVERHEAD
        if size > self.capacity // 4:
            return
        self._kept[question] = kept, size
        self.size += size
        while self.size > self.capacity:
            self._forget(next(iter(self._kept)))

    def _forget(self, question: Question) -> None:
        found = self._kept.pop(question, None)
        if found is not None:
            self.size -= found[1]


class Flights(Generic[R]):
    """One computation for all who ask the same at a time.

    It is nobody's own: whoever leaves takes nobody down, and only when all have left is it cancelled. Should
    it fail with an exception, each who waited computes for themselves.
    """

    def __init__(self) -> None:
        self._flying: dict[Hashable, _Flight[R]] = {}

    async def join(self, key: Hashable, compute: Callable[[], Awaitable[R]]) -> R:
        """Return what `compute` returns, computed once for all who ask for `key` meanwhile."""
        flight = self._flying.get(key)
        leads = flight is None
        if flight is None:
            flight = self._flying[key] = _Flight(asyncio.ensure_future(compute()))
            flight.task.add_done_callback(lambda _: self._land(key, flight))
        flight.waiting += 1
        try:
            return await asyncio.shield(flight.task)
        except Exception:
            if leads:
                raise
        finally:
            flight.waiting -= 1
            if not flight.waiting and not flight.task.done():
                self._land(key, flight)
                flight.task.cancel()
        return await compute()

    def _land(self, key: Hashable, flight: _Flight[R]) -> None:
        """Let nobody join it any more; another of the same key may have begun."""
        if self._flying.get(key) is flight:
            del self._flying[key]


class _Flight(Generic[R]):
    def __init__(self, task: asyncio.Future[R]) -> None:
        self.task, self.waiting = task, 0
