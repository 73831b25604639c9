"""What the API tells of itself: a log line a request, figures for Prometheus, spans for OpenTelemetry."""

from __future__ import annotations

import io
import json
import logging
import socket
from collections.abc import Iterator
from typing import Any, Self

import psycopg
import pytest
from prometheus_client.parser import text_string_to_metric_families

from graphql_api.logs import HumanLines, JsonLines
from graphql_api.tracing import Tracing
from tests.api.markets import load, numbered
from tests.api.serving import Api, serving
from tests.conftest import Database, fresh_database

plain = pytest.mark.parametrize("edition", ["plain"], indirect=True, scope="session")

NAMED = "query Mine($s: String!) { market(symbol: $s) { price { value } } }"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


class Log:
    """The lines that the API writes, in a form."""

    def __init__(self, formatter: logging.Formatter) -> None:
        self._stream = io.StringIO()
        self._handler = logging.StreamHandler(self._stream)
        self._handler.setFormatter(formatter)

    def __enter__(self) -> Self:
        self._logger = logging.getLogger("btcql")
        self._before = self._logger.level
        self._logger.addHandler(self._handler)
        self._logger.setLevel(logging.INFO)
        return self

    def __exit__(self, *_: object) -> None:
        self._logger.removeHandler(self._handler)
        self._logger.setLevel(self._before)

    @property
    def text(self) -> str:
        return self._stream.getvalue()

    @property
    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.text.splitlines()]


@pytest.fixture(scope="module")
def loaded(server_url: str, edition: str) -> Iterator[Database]:
    with fresh_database(server_url, edition) as database:
        load(database.url, "DAY-USD", numbered("2023-12-01", 30), "bitstamp")
        yield database


def ask(api: Api, query: str, variables: Any = None, **headers: str) -> Any:
    return api.http.post("/graphql", json={"query": query, "variables": variables}, headers=headers)


@plain
def test_a_request_is_one_line_with_its_ids_and_without_what_was_asked(loaded: Database) -> None:
    with Log(JsonLines()) as log, serving(loaded.url) as api:
        headers = {"x-request-id": "my-id:1", "traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
        answer = ask(api, NAMED, {"s": "DAY-USD"}, authorization="Basic c2VjcmV0", **headers)
        api.http.get("/healthz")
        refused = ask(api, NAMED, {"s": "SECRET-USD"}, **{"x-request-id": "two\twords"})
        api.http.get("/export/candles.csv?symbol=DAY-USD&last=WEEK")
    assert answer.headers["x-request-id"] == "my-id:1"
    first, second, third = log.lines
    assert first | {"time": "", "durationMs": 0} == {
        "time": "",
        "level": "info",
        "logger": "btcql.request",
        "message": "POST /graphql 200",
        "requestId": "my-id:1",
        "traceId": TRACE,
        "method": "POST",
        "path": "/graphql",
        "status": 200,
        "operation": "Mine",
        "client": "anonymous",
        "codes": [],
        "cost": 3,
        "cache": "miss",
        "durationMs": 0,
        "bytes": len(answer.content),
    }
    assert 0 < first["durationMs"] < 60_000
    assert second["requestId"] == refused.headers["x-request-id"] != "two\twords"
    assert (second["codes"], second["traceId"]) == (["MARKET_NOT_FOUND"], None)
    assert (third["path"], third["cost"]) == ("/export/candles.csv", 7)
    assert not {word for word in ("DAY-USD", "SECRET", "c2VjcmV0") if word in log.text}


@plain
def test_an_internal_errors_id_is_in_the_line_of_its_request(loaded: Database) -> None:
    with psycopg.connect(loaded.url, autocommit=True) as writer, Log(JsonLines()) as log:
        writer.execute("ALTER TABLE pipeline_run RENAME COLUMN started_at TO elsewhere")
        try:
            with serving(loaded.url) as api:
                answer = ask(api, "{ pipeline { state } }")
        finally:
            writer.execute("ALTER TABLE pipeline_run RENAME COLUMN elsewhere TO started_at")
    (error,) = answer.json()["errors"]
    error_id = error["extensions"]["errorId"]
    failure, request = log.lines
    assert failure["errorId"] == error_id
    assert "started_at" in failure["exception"]
    assert request["errorIds"] == [error_id]
    assert failure["requestId"] == request["requestId"] == answer.headers["x-request-id"]


@plain
def test_people_get_a_line_that_nobody_else_can_write_in(loaded: Database) -> None:
    with Log(HumanLines()) as log, serving(loaded.url) as api:
        ask(api, NAMED, {"s": "X-USD"})
        api.http.get("/a%0Ab")
    first, second = log.text.splitlines()
    assert "POST /graphql 200 operation=Mine client=anonymous codes=MARKET_NOT_FOUND" in first
    assert r"GET /a\nb 404" in second


def samples(api: Api) -> dict[tuple[str, ...], float]:
    """Return what /metrics says: by name and the values of the labels."""
    answer = api.http.get("/metrics")
    assert answer.status_code == 200
    return {
        (sample.name.removeprefix("btcql_"), *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


@plain
def test_metrics_count_requests_by_operation_and_never_by_any_number_of_names(loaded: Database) -> None:
    with serving(loaded.url) as api:
        ask(api, NAMED, {"s": "DAY-USD"})
        ask(api, NAMED, {"s": "DAY-USD"})
        ask(api, NAMED, {"s": "X-USD"})
        ask(api, "query Wrong { market { symbol } }")  # BTC-USD is not there
        for number in range(120):
            ask(api, f"query Q{number} {{ __typename }}")
        found = samples(api)
    labels = {name[1] for name in found if name[0] == "request_duration_seconds_count"}
    assert {"Mine", "Q0", "Q98", "other"} <= labels
    assert not {"Wrong", "Q99"} & labels
    assert len(labels) <= 104
    assert found["request_duration_seconds_count", "Mine"] == 3
    assert found["request_duration_seconds_count", "other"] == 22
    assert found["request_cost_sum", "Mine"] == 9
    assert found["answer_cache_total", "hit"] == 1
    assert found["errors_total", "MARKET_NOT_FOUND"] == 2
    assert found["responses_total", "200"] >= 123
    assert found["database_up",] == 1
    assert found["pool_max",] == 8
    assert found["pool_reads_total",] > 2


def test_metrics_need_no_database() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with serving(f"postgresql://nobody@127.0.0.1:{taken.getsockname()[1]}/none") as api:
            assert ask(api, "{ markets { symbol } }").status_code == 503
            found = samples(api)
    assert found["database_up",] == 0
    assert found["errors_total", "DATABASE_UNAVAILABLE"] == 1
    assert found["pool_connections_total",] >= 1


@plain
def test_spans_of_requests_and_reads_stand_below_the_clients_own(loaded: Database) -> None:
    sdk = pytest.importorskip("opentelemetry.sdk.trace", reason="OpenTelemetry is not installed")
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor  # noqa: PLC0415 - as above
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter  # noqa: PLC0415

    provider, spans = sdk.TracerProvider(), InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    with Log(JsonLines()) as log, serving(loaded.url, tracing=Tracing(provider)) as api:
        ask(api, NAMED, {"s": "DAY-USD"}, traceparent=f"00-{TRACE}-00f067aa0ba902b7-01")
        ask(api, "{ __typename }")
    provider.shutdown()
    *reads, request, untraced = spans.get_finished_spans()
    assert [read.name for read in reads] == ["read fetch_market", "read fetch_price"]
    assert request.name == "POST /graphql"
    assert request.parent is not None
    assert f"{request.parent.span_id:016x}" == "00f067aa0ba902b7"
    assert f"{request.context.trace_id:032x}" == TRACE
    assert {read.parent and read.parent.span_id for read in reads} == {request.context.span_id}
    assert request.attributes is not None
    assert request.attributes["graphql.operation.name"] == "Mine"
    assert request.attributes["http.response.status_code"] == 200
    assert log.lines[1]["traceId"] == f"{untraced.context.trace_id:032x}" != TRACE
