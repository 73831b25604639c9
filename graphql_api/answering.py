"""How a question is answered: from what is kept, or from one version of the data, once for all who ask."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Concatenate, NamedTuple, ParamSpec, TypeVar

import orjson

from btcql.errors import DatabaseUnavailableError, QueryError
from database.listener import DataState, Listener
from database.pool import Connection, Pool, Reads
from database.readers.markets import MarketFacts
from database.readers.version import fetch_version
from graphql_api.cache import Cache, Flights, Kept, Question
from graphql_api.context import Context
from graphql_api.encoding import Encoded
from graphql_api.exchange import add_error, note_answer, note_cache
from graphql_api.executor import Answer, Executor, Operation
from graphql_api.lifetime import Extent, Rules
from graphql_api.turns import Turns

_AT_A_TIME = 2  # reads of one answer: while one is rendered, the database works at the next

P = ParamSpec("P")
R = TypeVar("R")


class Found(NamedTuple):
    """An answer without errors; stale_age: of one from before the database went away, in seconds."""

    kept: Kept
    stale_age: int | None = None


class Answering:
    """Answers operations; without a cache (capacity 0) it still sees to it that each is of one version."""

    def __init__(self, executor: Executor, pool: Pool, listener: Listener, cache: Cache) -> None:
        self._executor, self._pool, self._listener, self._cache = executor, pool, listener, cache
        self._rules = Rules(executor.schema)
        self._flights: Flights[Answer | Kept] = Flights()
        self._markets = Markets()
        # More answers than sessions would hold what they have read while they wait for one.
        self._turns = Turns(*pool.limits)

    def stats(self) -> dict[str, int]:
        """Return the pool's figures, with the answers that wait for their turn, and those that had none."""
        figures = self._pool.stats()
        turns = self._turns
        own = {
            "requests_waiting": turns.waiting,
            "requests_queued": turns.waited,
            "requests_errors": turns.refused,
        }
        for name, number in own.items():
            figures[name] = figures.get(name, 0) + number
        return figures

    @property
    def state(self) -> DataState | None:
        """The data's state, None while it is not known."""
        return self._listener.state

    async def answer(
        self, operation: Operation, variables: Mapping[str, Any] | None, context: Context
    ) -> Answer | Found:
        """Return the answer: an Answer, if it has errors."""
        if not self._cache.capacity:
            made = await self._make(operation, variables, context)
            return Found(made) if isinstance(made, Kept) else made
        question = Question(
            operation.text,
            operation.name,
            orjson.dumps(variables, option=orjson.OPT_SORT_KEYS) if variables else b"",
            context.client.scopes,
        )
        kept, state = self._cache.find(question), self.state
        if kept is not None and _stands(kept, state, context.now):
            note_cache("hit")
            note_answer(question, kept)
            return Found(kept)
        if kept is not None and self._listener.is_down:
            note_cache("stale")
            return _stale(kept, context.now)
        leads = False

        async def make() -> Answer | Kept:
            nonlocal leads
            leads = True
            made = await self._make(operation, variables, context)
            if isinstance(made, Kept):
                self._cache.keep(question, made)
            return made

        version = None if state is None else state.version
        made = await self._flights.join((question, version), make)
        if isinstance(made, Kept):
            note_cache("miss" if leads else "hit")
            return Found(made)
        if kept is not None and "DATABASE_UNAVAILABLE" in made.codes:
            note_cache("stale")
            return _stale(kept, context.now)
        if not leads:  # the errors were told of where they were made
            for error in made.errors:
                add_error(error["extensions"])
        return made

    def holds(self, question: Question, kept: Kept, now: int) -> bool:
        """Return whether this answer is the one that is kept for the question, and still stands."""
        return self._cache.find(question) is kept and _stands(kept, self.state, now)

    async def _make(
        self, operation: Operation, variables: Mapping[str, Any] | None, context: Context
    ) -> Answer | Kept:
        """Execute when it is its turn, for which nobody waits who reads nothing."""
        if not operation.reads:
            return await self._read(operation, variables, context)
        try:
            await self._turns.take()
        except DatabaseUnavailableError as error:
            return Answer.refusing(error)
        try:
            return await self._read(operation, variables, context)
        finally:
            self._turns.give_back()

    async def _read(
        self, operation: Operation, variables: Mapping[str, Any] | None, context: Context
    ) -> Answer | Kept:
        """Execute, so that all that is read is of one version.

        Reads see what is committed. One version it was, if every read says so itself (a series does), or if
        it is the same afterwards. If not, all is read again in one snapshot, which costs two more journeys to
        the database. So it is where aggregates may change under several reads before the version does: until
        those of a load are refreshed.
        """
        state = self.state
        reads = Versioned(self._pool, state.version if state else None)
        try:
            answer, extent = await self._execute(operation, variables, context, reads)
            if not answer.errors and (
                (extent.reads > 1 and (state is None or not state.settled))
                or (
                    extent.reads + extent.remembered > 1
                    and not extent.is_known_as(reads.version)
                    and await self._pool.run(fetch_version) != reads.version
                )
            ):
                async with self._pool.snapshot() as snapshot:
                    reads = Versioned(snapshot, None)
                    answer, extent = await self._execute(operation, variables, context, reads)
        except (DatabaseUnavailableError, QueryError) as error:
            return Answer.refusing(error)
        if answer.errors:
            return answer
        if extent.reads > 1:  # of one is not known whether it was of this version, or of a newer one
            self._markets.keep(reads.version, extent.facts)
        state = self.state
        known = state if state is not None and state.version == reads.version else None
        lifetime = self._rules.read(operation.words, extent, known, context.now)
        return Kept(Encoded(orjson.dumps(answer.body())), reads.version, context.now, lifetime)

    async def _execute(
        self,
        operation: Operation,
        variables: Mapping[str, Any] | None,
        context: Context,
        reads: Versioned,
    ) -> tuple[Answer, Extent]:
        extent = context.begin(reads, self._markets.of(reads.version), operation.words)
        return await self._executor.execute(operation, variables, context), extent


class Markets:
    """What is known of the markets in one version of the data: what most answers begin with."""

    def __init__(self) -> None:
        self._version: int | None = None
        self._facts: dict[str, MarketFacts] = {}

    def of(self, version: int | None) -> Mapping[str, MarketFacts]:
        """Return the facts by symbol, as far as they are known of this version."""
        return self._facts if version is not None and version == self._version else {}

    def keep(self, version: int | None, facts: Mapping[str, MarketFacts]) -> None:
        """Remember facts of this version, and forget those of any other."""
        if version != self._version:
            self._version, self._facts = version, {}
        self._facts.update(facts)


class Versioned:
    """One answer's reads of what is `version`, or newer; where it is not known, it is read first of all.

    Few of them run at a time, so that an answer of many series leaves sessions to others.
    """

    def __init__(self, reads: Reads, version: int | None) -> None:
        self._reads, self.version = reads, version
        self._turns = Turns(_AT_A_TIME)

    async def run(
        self, reader: Callable[Concatenate[Connection, P], Awaitable[R]], /, *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """Return what `reader` reads; raises what the others' `run` raises."""
        await self._turns.take()
        try:
            if self.version is None:
                self._note(await self._reads.run(fetch_version))
            return await self._reads.run(reader, *args, **kwargs)
        finally:
            self._turns.give_back()

    def _note(self, version: int) -> None:
        """Take in the version; of two that ask at a time the first counts, for both read after it."""
        if self.version is None:
            self.version = version


def _stale(kept: Kept, now: int) -> Found:
    return Found(kept, max(0, now - kept.made_at) // 1_000_000)


def _stands(kept: Kept, state: DataState | None, now: int) -> bool:
    return state is not None and kept.version == state.version and kept.made_at <= now < kept.lifetime.ends
