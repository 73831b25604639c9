"""The API's own figures for Prometheus, of this process: they need no database."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString
from starlette.types import Scope

from graphql_api.exchange import Exchange

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
        about = "from a request to the end of its answer"
        self._seconds = _Distribution("btcql_request_duration_seconds", about, _SECONDS)
        self._cost = _Distribution("btcql_request_cost", "what a request was charged", _COSTS)
        self._tallies = _Tallies()
        for collector in (self._seconds, self._cost, self._tallies, _PoolFigures(pool_stats)):
            self._registry.register(collector)
        self._names: set[str] = set()

    def report(self, seen: Exchange, scope: Scope, status: int, size: int, seconds: float) -> None:
        """Count a request that was answered with `status` and `size` bytes after `seconds`."""
        if scope["type"] == "http":  # a socket lasts, and has operations of its own
            operation = self._label(seen, scope["path"])
            self._seconds.observe(operation, seconds)
            if seen.cost:
                self._cost.observe(operation, seen.cost)
        self._tallies.count(seen, status, size)

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


class _Distribution(Collector):
    """A histogram by operation, counted as plain numbers.

    As all figures here: the library's own take a lock for each of them, and a sixth of a kept answer's time.
    """

    def __init__(self, name: str, about: str, bounds: Sequence[float]) -> None:
        self._name, self._about, self._bounds = name, about, bounds
        self._labels = [*map(floatToGoString, bounds), "+Inf"]
        self._counts: dict[str, list[int]] = {}  # of each operation: how many up to each bound, and beyond
        self._sums: dict[str, float] = {}

    def observe(self, operation: str, value: float) -> None:
        """Count a value."""
        counts = self._counts.get(operation)
        if counts is None:
            counts, self._sums[operation] = [0] * len(self._labels), 0
            self._counts[operation] = counts
        counts[bisect_left(self._bounds, value)] += 1
        self._sums[operation] += value

    def collect(self) -> Iterator[Metric]:
        """Yield the histogram."""
        family = HistogramMetricFamily(self._name, self._about, labels=["operation"])
        for operation, counts in self._counts.items():
            buckets = list(zip(self._labels, accumulate(counts), strict=True))
            family.add_metric([operation], buckets, self._sums[operation])
        yield family


class _Tallies(Collector):
    """What answers were."""

    def __init__(self) -> None:
        self._statuses, self._codes, self._cache = Counter[int](), Counter[str](), Counter[str]()
        self._bytes = 0

    def count(self, seen: Exchange, status: int, size: int) -> None:
        """Count an answer."""
        self._statuses[status] += 1
        self._bytes += size
        for code in seen.codes:
            self._codes[code] += 1
        if seen.cache is not None:
            self._cache[seen.cache] += 1

    def collect(self) -> Iterator[Metric]:
        """Yield each figure."""
        yield _counted("btcql_responses", "answers by their HTTP status", "status", self._statuses)
        yield _counted("btcql_errors", "errors in answers, by the contract's code", "code", self._codes)
        yield CounterMetricFamily("btcql_response_bytes", "of the answers' bodies", self._bytes)
        about = "answers by what the cache had: hit, miss, stale"
        yield _counted("btcql_answer_cache", about, "result", self._cache)


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
