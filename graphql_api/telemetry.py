"""The API's own figures for Prometheus, of this process: they need no database."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString
from starlette.types import Scope

from graphql_api.exchange import CacheResult, Exchange

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_COSTS = (1, 10, 100, 1_000, 10_000, 100_000, 1_000_000)
_NAMES = 100  # operations by name; clients choose their names, so there might be any number
_LONGEST = 64  # characters
_PAGES = {"/", "/pipeline", "/healthz", "/readyz", "/metrics"}
_GAUGES = {
    "pool_size": "sessions there are",
    "pool_max": "sessions there may be",
    "pool_available": "sessions at nobody's service",
    "requests_waiting": "answers that wait for their turn, and reads for a session",
}
_COUNTERS = {
    "requests_num": ("reads", "reads that took a session"),
    "requests_queued": ("waits", "answers that had to wait for their turn, and reads for a session"),
    "requests_errors": ("refusals", "answers that got no turn in time, and reads no session"),
    "connections_num": ("connections", "attempts to connect"),
    "connections_errors": ("connection_failures", "attempts to connect that failed"),
    "connections_lost": ("connections_lost", "sessions found dead"),
}
Stats = Callable[[], Mapping[str, int]]


class Telemetry:
    """What requests took, cost and were refused; `pool_stats` tells how the pool of sessions stands."""

    def __init__(self, pool_stats: Stats) -> None:
        self._registry = CollectorRegistry()
        self._answers = _Answers()
        self._registry.register(self._answers)
        self._registry.register(_PoolFigures(pool_stats))
        self._names: set[str] = set()

    def report(self, seen: Exchange, scope: Scope, status: int, size: int, seconds: float) -> None:
        """Count a request that was answered with `status` and `size` bytes after `seconds`."""
        # a socket lasts, and has operations of its own
        operation = self._label(seen, scope["path"]) if scope["type"] == "http" else None
        self._answers.count(operation, seen, status, size, seconds)

    def exposition(self) -> bytes:
        """Return the text that Prometheus reads."""
        return generate_latest(self._registry)

    def _label(self, seen: Exchange, path: str) -> str:
        """Return the operation's name, if it is one of the first to be answered without an error."""
        if path != "/graphql":
            if path in _PAGES:
                return path
            return next((name for name in ("export", "static") if path.startswith(f"/{name}/")), "other")
        if seen.operation is None:
            return "unnamed"
        if seen.operation in self._names:
            return seen.operation
        if seen.codes or len(self._names) >= _NAMES or len(seen.operation) > _LONGEST:
            return "other"
        self._names.add(seen.operation)
        return seen.operation


class _Tally:
    """What was counted of answers of one kind; seconds, costs: how many up to each bound, and beyond."""

    def __init__(self) -> None:
        self.number, self.bytes = 0, 0
        self.seconds, self.all_seconds = [0] * (len(_SECONDS) + 1), 0.0
        self.costs, self.all_costs = [0] * (len(_COSTS) + 1), 0


class _Answers(Collector):
    """What answers were, by their kind: an operation (None: a socket), a status, what the cache had.

    All are plain numbers: the library's own figures take a lock each, and a sixth of a kept answer's time.
    """

    def __init__(self) -> None:
        self._tallies: dict[tuple[str | None, int, CacheResult | None], _Tally] = {}
        self._codes = Counter[str]()

    def count(self, operation: str | None, seen: Exchange, status: int, size: int, seconds: float) -> None:
        """Count an answer."""
        kind = operation, status, seen.cache
        tally = self._tallies.get(kind)
        if tally is None:
            tally = self._tallies[kind] = _Tally()
        tally.number += 1
        tally.bytes += size
        tally.seconds[bisect_left(_SECONDS, seconds)] += 1
        tally.all_seconds += seconds
        cost = seen.cost
        if cost:
            tally.costs[bisect_left(_COSTS, cost)] += 1
            tally.all_costs += cost
        for code in seen.codes:
            self._codes[code] += 1

    def collect(self) -> Iterator[Metric]:
        """Yield each figure."""
        by_operation: dict[str, list[_Tally]] = {}
        statuses, cache = Counter[int](), Counter[str]()
        for (operation, status, result), tally in self._tallies.items():
            statuses[status] += tally.number
            if result is not None:
                cache[result] += tally.number
            if operation is not None:
                by_operation.setdefault(operation, []).append(tally)

        about = "from a request to the end of its answer"
        seconds = HistogramMetricFamily("btcql_request_duration_seconds", about, labels=["operation"])
        about = "what a request was charged"
        costs = HistogramMetricFamily("btcql_request_cost", about, labels=["operation"])
        for operation, tallies in by_operation.items():
            counts, total = [tally.seconds for tally in tallies], sum(tally.all_seconds for tally in tallies)
            seconds.add_metric([operation], _buckets(_SECONDS, counts), total)
            if charged := sum(tally.all_costs for tally in tallies):
                counts = [tally.costs for tally in tallies]
                costs.add_metric([operation], _buckets(_COSTS, counts), charged)
        yield seconds
        yield costs
        yield _counted("btcql_responses", "answers by their HTTP status", "status", statuses)
        yield _counted("btcql_errors", "errors in answers, by the contract's code", "code", self._codes)
        size = sum(tally.bytes for tally in self._tallies.values())
        yield CounterMetricFamily("btcql_response_bytes", "of the answers' bodies", size)
        about = "answers by what the cache had: hit, miss, stale"
        yield _counted("btcql_answer_cache", about, "result", cache)


def _buckets(bounds: Sequence[float], counts: Iterable[Sequence[int]]) -> list[tuple[str, float]]:
    """Return how many of all were up to each bound."""
    labels = [*map(floatToGoString, bounds), "+Inf"]
    return list(zip(labels, accumulate(map(sum, zip(*counts, strict=True))), strict=True))


def _counted(name: str, about: str, label: str, counts: Mapping[Any, int]) -> Metric:
    family = CounterMetricFamily(name, about, labels=[label])
    for value, number in counts.items():
        family.add_metric([str(value)], number)
    return family


class _PoolFigures(Collector):
    """The pool's own statistics, as they are when asked for."""

    def __init__(self, stats: Stats) -> None:
        self._stats = stats

    def collect(self) -> Iterator[Metric]:
        """Yield each figure."""
        stats = self._stats()
        for name, meaning in _GAUGES.items():
            yield GaugeMetricFamily(f"btcql_{name.replace('requests', 'pool')}", meaning, stats.get(name, 0))
        for name, (label, meaning) in _COUNTERS.items():
            yield CounterMetricFamily(f"btcql_pool_{label}", meaning, stats.get(name, 0))
