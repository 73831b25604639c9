"""The web application: /graphql, the pages, and whether it is well."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from importlib.resources import files

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from btcql import calendar
from btcql.errors import DatabaseUnavailableError, QueryError
from btcql.settings import Settings
from database.pool import Pool, Reads
from database.readers.markets import check_answers
from database.readers.pipeline import fetch_metrics
from graphql_api.context import Context
from graphql_api.endpoint import Endpoint
from graphql_api.errors import RETRY_SECONDS
from graphql_api.estimates import Estimator
from graphql_api.executor import Executor
from graphql_api.export.endpoint import Export
from graphql_api.metrics import MEDIA_TYPE, exposition
from graphql_api.persisted import AutomaticDocuments, read_documents
from graphql_api.schema import schema

# The pages are whole in themselves: they may ask this server, and nobody else.
_PAGE_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'; "
        "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "cache-control": "no-cache",
    "referrer-policy": "no-referrer",
    "vary": "accept",
    "x-content-type-options": "nosniff",
}


def utc_now() -> datetime:
    """Return the time."""
    return datetime.now(UTC)


def create_app(settings: Settings, database_url: str, clock: Callable[[], datetime] = utc_now) -> Starlette:
    """Return the API over the database at `database_url`; nothing is opened before its lifespan begins.

    `clock` tells the time (aware): it decides what is complete, stale and how old. The application runs
    whether or not the database does, and answers 503 in its absence. Raises SettingError for a list of
    documents (BTCQL_PERSISTED_ONLY) that cannot be used.
    """
    pool = Pool(database_url)

    def new_context(reads: Reads = pool) -> Context:
        return Context(reads, calendar.microseconds(clock()), settings.visualiser_url)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        await pool.open()
        try:
            yield
        finally:
            await pool.close()

    async def show_start(_: Request) -> Response:
        return _page("index.html")

    async def tell_alive(_: Request) -> Response:
        return JSONResponse({"status": "up"}, headers={"cache-control": "no-store"})

    async def tell_ready(_: Request) -> Response:
        try:
            await pool.run(check_answers)
        except (DatabaseUnavailableError, QueryError):
            headers = {"cache-control": "no-store", "retry-after": str(RETRY_SECONDS)}
            return JSONResponse({"status": "the database does not answer"}, 503, headers)
        return JSONResponse({"status": "ready"}, headers={"cache-control": "no-store"})

    async def show_metrics(_: Request) -> Response:
        try:
            markets = await pool.run(fetch_metrics)
        except (DatabaseUnavailableError, QueryError):
            return Response(status_code=503, headers={"retry-after": str(RETRY_SECONDS)})
        return Response(exposition(markets, clock()), media_type=MEDIA_TYPE)

    executor = Executor(schema._schema)  # noqa: SLF001 - its only door
    listed = settings.persisted_only
    documents = read_documents(listed, executor) if listed else AutomaticDocuments()
    estimator = Estimator(executor.schema, settings.max_cost)
    endpoint = Endpoint(executor, new_context, documents, estimator, _page("playground.html"))
    app = Starlette(
        routes=[
            Route("/", show_start),
            Route("/graphql", endpoint.__call__, methods=["GET", "POST"]),
            Route(
                "/export/{table}.{format}", Export(pool, new_context, settings.export_bars), methods=["GET"]
            ),
            Route("/healthz", tell_alive),
            Route("/readyz", tell_ready),
            Route("/metrics", show_metrics),
        ],
        lifespan=lifespan,
    )
    app.state.settings = settings
    return app


def _page(name: str) -> Response:
    return HTMLResponse(files("web").joinpath(name).read_text(encoding="utf-8"), headers=_PAGE_HEADERS)
