"""Whether the server is well: /healthz, /readyz, and /metrics for Prometheus."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime

import orjson
from graphql import GraphQLError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from btcql.errors import DatabaseUnavailableError, QueryError
from database.pool import Pool
from database.readers.markets import check_answers
from database.readers.pipeline import fetch_metrics, fetch_size
from graphql_api.auth import Gate
from graphql_api.errors import RETRY_SECONDS, STATUS, describe
from graphql_api.metrics import MEDIA_TYPE, PipelineMetrics, exposition
from graphql_api.telemetry import Telemetry

logger = logging.getLogger("btcql.api")

_METRICS_COST = 100  # it goes through every market
_FRESH = {"cache-control": "no-store"}


class Probes:
    """The three routes."""

    def __init__(self, pool: Pool, gate: Gate, telemetry: Telemetry, clock: Callable[[], datetime]) -> None:
        self._pool, self._gate, self._telemetry, self._clock = pool, gate, telemetry, clock

    def routes(self) -> list[Route]:
        """Return them."""
        return [
            Route("/healthz", self.tell_alive),
            Route("/readyz", self.tell_ready),
            Route("/metrics", self.show_metrics),
        ]

    async def tell_alive(self, _: Request) -> Response:
        """Answer, whatever the database does."""
        return JSONResponse({"status": "up"}, headers=_FRESH)

    async def tell_ready(self, _: Request) -> Response:
        """Answer 200 if the database does."""
        try:
            await self._pool.run(check_answers)
        except (DatabaseUnavailableError, QueryError):
            headers = {**_FRESH, "retry-after": str(RETRY_SECONDS)}
            return JSONResponse({"status": "the database does not answer"}, 503, headers)
        return JSONResponse({"status": "ready"}, headers=_FRESH)

    async def show_metrics(self, request: Request) -> Response:
        """Answer with the server's figures, and the pipeline's where the database has them to give."""
        try:
            client = await self._gate.identify(request)
            self._gate.require(client, {"pipeline": "/metrics"})
            self._gate.charge(client, _METRICS_COST)
        except (DatabaseUnavailableError, QueryError) as error:
            described = describe(GraphQLError(str(error), original_error=error))
            status = STATUS[described["extensions"]["code"]]
            return Response(orjson.dumps({"errors": [described]}), status, _FRESH, "application/json")
        try:
            pipeline = PipelineMetrics(await self._pool.run(fetch_size), await self._pool.run(fetch_metrics))
        except (DatabaseUnavailableError, QueryError) as error:
            logger.warning("no figures of the pipeline: %s", error)
            pipeline = None
        text = self._telemetry.exposition() + exposition(pipeline, self._clock())
        return Response(text, media_type=MEDIA_TYPE, headers=_FRESH)
