"""The web application: /graphql, the pages, exports, and whether it is well."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Route, WebSocketRoute

from btcql import calendar
from btcql.access import ANY_ORIGIN
from btcql.settings import Settings
from database.listener import Listener
from database.pool import Pool, Reads
from graphql_api.admission import Admission
from graphql_api.answering import Answering
from graphql_api.auth import Client, Gate
from graphql_api.cache import Cache
from graphql_api.context import Context
from graphql_api.cost import Cost
from graphql_api.edge import edge
from graphql_api.endpoint import Endpoint
from graphql_api.estimates import Estimator
from graphql_api.executor import Executor
from graphql_api.export.endpoint import Export
from graphql_api.export.spool import Spool
from graphql_api.feed import Feed
from graphql_api.headers import AnswerHeaders
from graphql_api.keyring import KeyRing
from graphql_api.logs import log_request
from graphql_api.pages import Page, page_routes
from graphql_api.persisted import AutomaticDocuments, read_documents
from graphql_api.probes import Probes
from graphql_api.repeats import Repeats
from graphql_api.schema import schema
from graphql_api.shortcut import Shortcut
from graphql_api.sockets import Sockets
from graphql_api.telemetry import Telemetry
from graphql_api.tracing import Tracing
from graphql_api.wire import Wire


def utc_now() -> datetime:
    """Return the time."""
    return datetime.now(UTC)


def create_app(
    settings: Settings,
    database_url: str,
    clock: Callable[[], datetime] = utc_now,
    tracing: Tracing | None = None,
    primary_url: str | None = None,
) -> Starlette:
    """Return the API over the database at `database_url`; nothing is opened before its lifespan begins.

    `clock` tells the time (aware): it decides what is complete, stale and how old. `primary_url` is where the
    use of keys is written down, if `database_url` is a standby's, which takes nothing. The application runs
    whether or not the database does, and answers 503 in its absence. Raises SettingError for a list of
    documents (BTCQL_PERSISTED_ONLY) that cannot be used.
    """
    pool = Pool(database_url)
    notes = pool if primary_url is None else Pool(primary_url, size=1)
    listener = Listener(database_url)
    executor = Executor(schema._schema, introspection=settings.introspection)  # noqa: SLF001 - its only door
    answering = Answering(executor, pool, listener, Cache(settings.cache_bytes))

    feed = Feed(listener, clock)
    keys = KeyRing(pool, notes)
    access = settings.access
    gate = Gate(access, keys)
    telemetry = Telemetry(answering.stats)
    spool = Spool(settings.export_spool, settings.export_spool_bytes)

    headers = AnswerHeaders(any_origin=ANY_ORIGIN in access.origins)
    reports = [log_request, telemetry.report]

    def now() -> int:
        return calendar.microseconds(clock())

    def new_context(client: Client, reads: Reads = pool, cost: Cost | None = None) -> Context:
        return Context(reads, now(), settings.visualiser_url, client, cost, tracing, feed)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[dict[str, object]]:
        for opened in dict.fromkeys((pool, notes)):
            await opened.open()
        tasks = [asyncio.create_task(work) for work in (keys.keep(), listener.run())]
        try:
            yield {"wire": wire} if tracing is None else {}
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            spool.close()
            for opened in dict.fromkeys((pool, notes)):
                await opened.close()

    listed = settings.persisted_only
    documents = read_documents(listed, executor) if listed else AutomaticDocuments()
    admission = Admission(gate, executor, documents, Estimator(executor.schema, settings.max_cost))
    playground = Page("playground") if settings.playground else None
    endpoint = Endpoint(gate, admission, answering, new_context, playground)
    repeats = Repeats(gate, answering, now)
    wire = Wire(repeats, endpoint, headers, reports)
    sockets = Sockets(gate, admission, answering, executor, new_context, access.origins)
    app = Starlette(
        routes=[
            *page_routes(),
            WebSocketRoute("/graphql", sockets.__call__),
            Route("/graphql", endpoint.__call__, methods=["GET", "POST"]),
            Route(
                "/export/{table}.{format}",
                Export(gate, pool, listener, new_context, spool, settings.export_bars),
                methods=["GET"],
            ),
            *Probes(pool, gate, telemetry, clock).routes(),
        ],
        middleware=[
            *edge(access, headers, reports, tracing),
            Middleware(Shortcut, repeats=repeats, endpoint=endpoint),
        ],
        lifespan=lifespan,
    )
    app.state.settings = settings
    return app
