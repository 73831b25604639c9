"""Short reads without a cursor: each statement is prepared once in a session, its result comes as libpq's.

A cursor of psycopg, and its way to wait, take twice the time of all else that asking for a few rows needs on
this side. The protocol stays psycopg's own: its generators send and receive, its transformer adapts values.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Mapping
from functools import cache
from typing import Any, LiteralString, TypeVar

import psycopg
from psycopg.abc import PQGen
from psycopg.adapt import PyFormat, Transformer
from psycopg.errors import error_from_result
from psycopg.generators import execute
from psycopg.pq import ExecStatus, Format, TransactionStatus
from psycopg.pq.abc import PGresult
from psycopg.waiting import Wait

from database.watch import Reads, Watch

R = TypeVar("R")

logger = logging.getLogger("btcql.database")

_MOST = 128  # statements that a session keeps; one for each subset of columns would be more: the oldest goes
_CANCEL_SECONDS = 5.0
_PLACEHOLDER = re.compile(r"%(?:\((\w+)\)s|%)")


class Prepared:
    """The statements that one session in autocommit keeps prepared.

    has_chunks: whether the database's tables may be hypertables; told when the session is configured.
    """

    def __init__(self, connection: psycopg.AsyncConnection[Any], watch: Watch) -> None:
        self._connection, self._reads = connection, Reads(watch)
        self.has_chunks = True
        self._transformer = Transformer.from_context(connection)
        # by text and types of the parameters: where one is None its type is another
        self._names: dict[tuple[bytes, tuple[int, ...]], bytes] = {}
        self._made = 0

    async def execute(
        self, query: LiteralString, parameters: Mapping[str, Any], *, chunked: bool = False
    ) -> PGresult:
        """Return the result of `query`, its values in binary; placeholders are psycopg's: %(name)s.

        chunked: it reads a table that may have many chunks, all of which a plan for any parameters opens, and
        that takes several times as long: where there are chunks it is parsed and planned each time. Nobody
        else may use the session meanwhile: its lock is not taken. Raises what psycopg's cursors do. The query
        of a task that is cancelled is cancelled too.
        """
        text, names, formats = _native(query)
        transformer, pgconn = self._transformer, self._connection.pgconn
        values = transformer.dump_sequence([parameters[name] for name in names], formats)
        types, sent_as = transformer.types or (), transformer.formats
        if chunked and self.has_chunks:
            pgconn.send_query_params(text, values, types, sent_as, Format.BINARY)
        else:
            name = self._names.get((text, types)) or await self._prepare(text, types)
            pgconn.send_query_prepared(name, values, sent_as, Format.BINARY)
        return await self._result()

    def forget(self) -> bool:
        """Forget the statements, for the server is to have none any more; return whether there were some."""
        had = bool(self._names)
        self._names.clear()
        return had

    async def _prepare(self, text: bytes, types: tuple[int, ...]) -> bytes:
        pgconn = self._connection.pgconn
        if len(self._names) >= _MOST:
            oldest = next(iter(self._names))
            pgconn.send_query(b"DEALLOCATE " + self._names[oldest])
            await self._result()
            del self._names[oldest]
        self._made += 1
        name = b"btcql_%d" % self._made
        pgconn.send_prepare(name, text, types)
        await self._result()
        self._names[text, types] = name
        return name

    async def _result(self) -> PGresult:
        """Return the result of what was sent; its error is raised."""
        results: list[PGresult] = await self._wait(execute(self._connection.pgconn))
        result = results[-1]
        if result.status == ExecStatus.FATAL_ERROR:
            raise error_from_result(result, encoding=self._connection.info.encoding)
        return result

    async def _wait(self, work: PQGen[R]) -> R:
        """Return what psycopg's generator ends with: each time its socket may be read, it goes on."""
        try:
            waits_for = next(work)
        except StopIteration as end:
            value: R = end.value
            return value
        if waits_for != Wait.R:  # what does not fit into the socket at once
            return await self._connection.wait(_resumed(work, waits_for))
        try:
            return await self._reads.read(self._connection.fileno(), work)
        except asyncio.CancelledError:
            await self._give_up(work)
            raise

    async def _give_up(self, work: PQGen[Any]) -> None:
        """Cancel a query whose result nobody awaits any more; a session that cannot is closed."""
        connection = self._connection
        if connection.pgconn.transaction_status != TransactionStatus.ACTIVE:
            return
        try:
            await connection.cancel_safe(timeout=_CANCEL_SECONDS)
            await connection.wait(_resumed(work, Wait.R), timeout=_CANCEL_SECONDS)
        except psycopg.Error as error:
            logger.warning("a query was not cancelled, its session is closed (%s)", error)
        finally:
            if connection.pgconn.transaction_status == TransactionStatus.ACTIVE:
                connection.pgconn.finish()


def _resumed(work: PQGen[R], waits_for: Wait) -> PQGen[R]:
    """Go on with a generator that has begun and waits: psycopg begins what it waits for."""
    while True:
        ready = yield waits_for
        try:
            waits_for = work.send(ready)
        except StopIteration as end:
            value: R = end.value
            return value


@cache
def _native(query: LiteralString) -> tuple[bytes, tuple[str, ...], tuple[PyFormat, ...]]:
    """Return a query with PostgreSQL's own placeholders ($1), the names in their order, how each is sent."""
    names: dict[str, int] = {}

    def number(match: re.Match[str]) -> str:
        name = match[1]
        return "%" if name is None else f"${names.setdefault(name, len(names) + 1)}"

    text = _PLACEHOLDER.sub(number, query).encode()
    return text, tuple(names), (PyFormat.AUTO,) * len(names)
