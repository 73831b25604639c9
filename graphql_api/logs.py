"""The log: one line for each event, as JSON for machines or short for people; never a variable or a secret.

A line that is written while a request is at work carries its ids, so that an error's line and the line of
its request are found together.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TextIO

import orjson
from starlette.types import Scope

from graphql_api import exchange
from graphql_api.exchange import Exchange

_PROBES = {"/healthz", "/readyz", "/metrics"}
_LONGEST = 200  # characters of what a client chose
_SERVERS_FAULT, _UNAVAILABLE = 500, 503
_OWN = "btcql"

logger = logging.getLogger("btcql.request")


def configure(form: str, level: str, stream: TextIO | None = None) -> None:
    """Write this process's log to `stream` (standard error), as json, human or auto: human on a terminal."""
    stream = stream or sys.stderr
    human = form == "human" or (form == "auto" and stream.isatty())
    handler = logging.StreamHandler(stream)
    handler.setFormatter(HumanLines() if human else JsonLines())
    # what no line tells, for it takes time to find out
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger(_OWN).setLevel(level.upper())


def log_request(seen: Exchange, scope: Scope, status: int, size: int, seconds: float) -> None:
    """Write the line of a request that was answered with `status` and `size` bytes after `seconds`."""
    path: str = scope["path"]
    level = logging.DEBUG if path in _PROBES else logging.INFO
    if status >= _SERVERS_FAULT and status != _UNAVAILABLE:
        level = logging.ERROR
    if not logger.isEnabledFor(level):
        return
    method = scope.get("method", "WEBSOCKET")
    fields: dict[str, Any] = {
        "method": method,
        "path": path[:_LONGEST],
        "status": status,
        "operation": seen.operation[:_LONGEST] if seen.operation else None,
        "client": seen.client,
        "codes": sorted(set(seen.codes)),
        "cost": seen.cost,
        "cache": seen.cache,
        "durationMs": round(seconds * 1000, 3),
        "bytes": size,
    }
    if seen.error_ids:
        fields["errorIds"] = seen.error_ids
    # as logger.log does, but for the search of who called it, which is known
    record = logging.LogRecord(logger.name, level, "", 0, f"{method} {path[:_LONGEST]} {status}", None, None)
    record.fields = fields
    logger.handle(record)


class JsonLines(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        entry: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_ids(),
            **_fields(record),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return orjson.dumps(entry, default=str).decode()


class HumanLines(logging.Formatter):
    """A line for people: what is empty is left out."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, with a traceback below it if there is one."""
        at = datetime.fromtimestamp(record.created, UTC)
        details = {**_fields(record), **_ids()}
        shown = [
            f"{name}={','.join(map(str, value)) if isinstance(value, list) else value}"
            for name, value in details.items()
            if value and name not in {"method", "path", "status"}
        ]
        message = (
            record.getMessage().encode("unicode_escape").decode()
        )  # nobody's text begins a line of its own
        line = " ".join([f"{at:%H:%M:%S}", f"{record.levelname:<7}", message, *shown])
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def _ids() -> dict[str, Any]:
    seen = exchange.current.get()
    return {} if seen is None else {"requestId": seen.request_id, "traceId": seen.trace_id}


def _fields(record: logging.LogRecord) -> Mapping[str, Any]:
    fields: Mapping[str, Any] = getattr(record, "fields", {})
    return fields
