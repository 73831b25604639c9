"""OpenTelemetry, where its packages are installed (btcql[otel]): a span for each request and each read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from starlette.types import Scope

from btcql.errors import SettingError
from graphql_api.exchange import Exchange

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span

_SERVICE = "btcql"
_CARRIED = {b"traceparent", b"tracestate"}
_SERVERS_FAULT = 500


class Tracing:
    """Makes the spans; `provider` says where they go, and whoever made it shuts it down."""

    def __init__(self, provider: TracerProvider) -> None:
        # imported here, for the API does without these packages
        from opentelemetry.trace import SpanKind, Status, StatusCode  # noqa: PLC0415
        from opentelemetry.trace.propagation.tracecontext import (  # noqa: PLC0415
            TraceContextTextMapPropagator,
        )

        self._tracer = provider.get_tracer(_SERVICE)
        self._propagator = TraceContextTextMapPropagator()
        self._server, self._client = SpanKind.SERVER, SpanKind.CLIENT
        self._failed = Status(StatusCode.ERROR)

    @contextmanager
    def request(self, scope: Scope, seen: Exchange) -> Iterator[Span]:
        """Span one request, below the client's own span if it sent one; the exchange gets the trace's id."""
        parent = self._propagator.extract(_carrier(scope["headers"]))
        with self._tracer.start_as_current_span(
            f"{scope['method']} {_route(scope['path'])}",
            parent,
            self._server,
            {"http.request.method": scope["method"], "url.path": scope["path"]},
        ) as span:
            seen.trace_id = f"{span.get_span_context().trace_id:032x}"
            yield span

    def end(self, span: Span, seen: Exchange, status: int) -> None:
        """Say how the request went."""
        span.set_attribute("http.response.status_code", status)
        span.set_attribute("btcql.request_id", seen.request_id)
        span.set_attribute("btcql.cost", seen.cost)
        if seen.operation is not None:
            span.set_attribute("graphql.operation.name", seen.operation)
        if seen.codes:
            span.set_attribute("btcql.codes", sorted(set(seen.codes)))
        if status >= _SERVERS_FAULT:
            span.set_status(self._failed)

    @contextmanager
    def read(self, name: str) -> Iterator[None]:
        """Span one read of the database, by the reader's name; what it asks for is not told."""
        attributes = {"db.system.name": "postgresql", "db.operation.name": name}
        with self._tracer.start_as_current_span(f"read {name}", kind=self._client, attributes=attributes):
            yield


@contextmanager
def collected() -> Iterator[Tracing]:
    """Yield tracing to a collector by OTLP, whose address is OpenTelemetry's own setting.

    What is under way is sent at the end. Raises SettingError where its packages are not installed.
    """
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    except ImportError as error:
        raise SettingError(
            f"BTCQL_TRACES='otlp' needs OpenTelemetry ({error.name} is missing): pip install 'btcql[otel]'"
        ) from None
    provider = TracerProvider(resource=Resource.create({"service.name": _SERVICE}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    try:
        yield Tracing(provider)
    finally:
        provider.shutdown()


def _carrier(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    return {name.decode(): value.decode("latin-1") for name, value in headers if name in _CARRIED}


def _route(path: str) -> str:
    """Return a path as a name of which there are few."""
    if path.startswith(("/export/", "/static/")):
        return path[:7]
    return path if path in {"/", "/pipeline", "/graphql", "/healthz", "/readyz", "/metrics"} else "other"
