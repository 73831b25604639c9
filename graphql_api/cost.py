"""What an operation costs, told from its text and its variables before the database is asked.

    series       fields x points x (1 + window / points), that is fields x (points + window); and for an
                 exponential average, which reads far back, the rows before its range
    movement     1 for each of its fields and of the bars that it is made of
    other lists  fields x items
    other fields 1

`points` are the bars of the range from bitcoin's first day (no market is older) until now, at most as
many as one answer carries: an upper bound. The market's own extent would be closer, but is only known
from the database; with what earlier answers said of it the same question would cost now this, now that,
and pass on one server and fail on the next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, TypeAlias

from graphql import (
    FieldNode,
    FragmentSpreadNode,
    GraphQLField,
    GraphQLIncludeDirective,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLSkipDirective,
    OperationDefinitionNode,
    SelectionSetNode,
    get_argument_values,
    get_directive_values,
    get_named_type,
)
from graphql.execution.values import VariableValues
from graphql.language import DocumentNode, FragmentDefinitionNode

from btcql import averages, calendar
from btcql.errors import QueryError
from btcql.records import AverageKind, Interval, Period
from graphql_api.ranges import MAX_BARS, MAX_POINTS, base_bars

MAX_COST = 250_000
MARKETS = 10  # that `markets` is taken to find; more of them are weighed again once they are known
_BITCOIN = calendar.midnight(date(2009, 1, 3))
_INTROSPECTION = 1_000  # the whole schema; its depth is bounded by graphql-core's own rule
_PERIODS = {Period.DAY: 1, Period.WEEK: 7, Period.MONTH: 31, Period.QUARTER: 92, Period.YEAR: 366}
_MOST_ITEMS = 1_000  # that any field gives: it refuses to be asked for more
_ITEMS = {
    ("Coverage", "missing"): 100,
    ("ForecastPoint", "quantiles"): 13,
    ("ForecastScore", "horizons"): 15,
    ("PipelineStatus", "recentLoads"): 20,
    ("PipelineStatus", "recentRuns"): 20,
    ("PipelineStatus", "qualityWarnings"): 20,
}
_SERIES = {"CandleSeries", "MovingAverageSeries"}

Arguments: TypeAlias = Mapping[str, Any]


@dataclass
class Cost:
    """The cost of an operation: `fixed`, and `per_market` for each that the field `markets` finds."""

    limit: int
    fixed: int = 0
    per_market: int = 0
    # of each series: its cost now, what it would cost at another interval, and its interval
    series: list[tuple[int, Callable[[Interval], int], Interval]] = field(default_factory=list)

    def total(self, markets: int = MARKETS) -> int:
        """Return the cost with so many markets."""
        return self.fixed + self.per_market * markets

    def check(self, markets: int = MARKETS) -> None:
        """Raise QueryError (QUERY_TOO_COMPLEX) with cost, limit and suggestedInterval (null: none helps)."""
        cost, limit = self.total(markets), self.limit
        if cost <= limit:
            return
        suggested = self._suggest(cost - limit)
        way_out = f"the interval {suggested}, " if suggested else ""
        raise QueryError(
            "QUERY_TOO_COMPLEX",
            f"the query costs {cost}, more than {limit}: ask for {way_out}fewer fields, a shorter range, "
            "or in several requests",
            cost=cost,
            limit=limit,
            suggestedInterval=suggested,
        )

    def _suggest(self, excess: int) -> Interval | None:
        """Return the finest interval at which the costliest series would take the excess away."""
        if not self.series:
            return None
        cost, at, interval = max(self.series, key=lambda series: series[0])
        order = list(Interval)
        coarser = order[order.index(interval) + 1 :]
        return next((candidate for candidate in coarser if cost - at(candidate) >= excess), None)


def weigh(
    schema: GraphQLSchema,
    document: DocumentNode,
    operation: OperationDefinitionNode,
    variables: VariableValues,
    now: int,
    limit: int,
) -> Cost:
    """Return what the operation costs with its coerced variables at the instant `now`, of `limit`.

    Raises GraphQLError for an argument that cannot be read.
    """
    root = schema.get_root_type(operation.operation)
    assert root is not None
    return _Scale(document, variables, now, limit).weigh_root(root, operation.selection_set)


class _Scale:
    def __init__(self, document: DocumentNode, variables: VariableValues, now: int, limit: int) -> None:
        self._fragments = {
            node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)
        }
        self._variables, self._now = variables, now
        self._cost = Cost(limit)

    def weigh_root(self, root: GraphQLObjectType, selections: SelectionSetNode) -> Cost:
        cost = self._cost
        for name, definition, node in self._fields(root, selections):
            if name == "markets":
                before = len(cost.series)
                cost.fixed += 1
                cost.per_market += self._within(definition, node, 1)
                # what one series saves is saved as often as there are markets
                cost.series[before:] = [_times(MARKETS, *series) for series in cost.series[before:]]
            else:
                cost.fixed += self._weigh(root, name, definition, node, 1)
        return cost

    def _fields(
        self, parent: GraphQLObjectType, selections: SelectionSetNode | None
    ) -> Iterator[tuple[str, GraphQLField | None, FieldNode]]:
        """Yield every field that is selected, with its fragments' and without what is skipped."""
        for node in selections.selections if selections else ():
            skip = get_directive_values(GraphQLSkipDirective, node, self._variables)
            include = get_directive_values(GraphQLIncludeDirective, node, self._variables)
            if (skip and skip["if"]) or (include and not include["if"]):
                continue
            if isinstance(node, FieldNode):
                yield node.name.value, parent.fields.get(node.name.value), node
            elif isinstance(node, FragmentSpreadNode):
                yield from self._fields(parent, self._fragments[node.name.value].selection_set)
            else:
                yield from self._fields(parent, getattr(node, "selection_set", None))

    def _within(self, definition: GraphQLField | None, node: FieldNode, points: int) -> int:
        """Return what the fields inside of a field cost; of a series, `points` are its bars."""
        inner = get_named_type(definition.type) if definition else None
        if not isinstance(inner, GraphQLObjectType):
            return 0
        return sum(self._weigh(inner, *found, points) for found in self._fields(inner, node.selection_set))

    def _weigh(
        self,
        parent: GraphQLObjectType,
        name: str,
        definition: GraphQLField | None,
        node: FieldNode,
        points: int,
    ) -> int:
        if definition is None:
            return _INTROSPECTION if name in {"__schema", "__type"} else 1
        if parent.name in _SERIES and name in {"points", "columns"}:
            return 1 + points * self._within(definition, node, points)
        if parent.name != "Market" and not node.arguments:
            return 1 + _ITEMS.get((parent.name, name), 1) * self._within(definition, node, points)
        arguments = get_argument_values(definition, node, self._variables)
        if (parent.name, name) in {("Market", "candles"), ("Market", "movingAverage")}:
            return self._weigh_series(definition, node, arguments)
        if (parent.name, name) == ("Market", "movement"):
            return 1 + self._within(definition, node, points) + _bars_of_movement(arguments, self._now)
        items = "first" if parent.name == "PipelineStatus" else {"forecast": "horizon"}.get(name)
        size = min(max(1, arguments[items]), _MOST_ITEMS) if items else 1
        return 1 + size * self._within(definition, node, points)

    def _weigh_series(self, definition: GraphQLField, node: FieldNode, arguments: Arguments) -> int:
        """Return what a series costs; without any of its points it still costs their reading."""

        def at(interval: Interval) -> int:
            bars, extra = _size(arguments, interval, self._now)
            return extra + max(bars, self._within(definition, node, bars))

        cost = at(arguments["interval"])
        self._cost.series.append((cost, at, arguments["interval"]))
        return 1 + cost


def _times(
    number: int, cost: int, at: Callable[[Interval], int], interval: Interval
) -> tuple[int, Callable[[Interval], int], Interval]:
    return number * cost, lambda other: number * at(other), interval


def _size(arguments: Arguments, interval: Interval, now: int) -> tuple[int, int]:
    """Return how many bars each field of a series carries, and how many more are read for them."""
    bars = calendar.count(*_extent(arguments["range"], now), interval)
    if "window" in arguments:  # a moving average
        window, kind = min(max(1, arguments["window"]), averages.MAX_WINDOW), arguments["kind"]
        extra = 0
        if kind is AverageKind.EXPONENTIAL:
            start, _ = _extent(arguments["range"], now)
            before = calendar.count(_BITCOIN, start, interval)
            extra = min(averages.longest_lead(window), before) * base_bars(interval)
        return min(bars, MAX_POINTS) + window, extra
    most = arguments.get("maxPoints")
    if most is None:
        return min(bars, MAX_POINTS), 0
    read = min(bars, MAX_BARS)
    shown = min(read, max(1, most), MAX_POINTS)
    return shown, read - shown


def _bars_of_movement(arguments: Arguments, now: int) -> int:
    """Return how many bars a movement is made of: days, or what bounds inside of a day ask for."""
    start, end = _extent(arguments["range"], now)
    finest = Interval.DAY
    if "instants" in arguments["range"]:
        aligned = all(calendar.is_aligned(at, Interval.HOUR) for at in (start, end))
        finest = Interval.HOUR if aligned else Interval.MINUTE
    return min(calendar.count(start, end, finest), MAX_BARS)


def _extent(asked: Mapping[str, Any], now: int) -> tuple[int, int]:
    """Return [start, end) of a range, epoch microseconds, within bitcoin's life; empty if it is no range."""
    if (days := asked.get("days")) is not None:
        start, end = calendar.midnight(days["from"]), calendar.midnight(days["to"]) + calendar.DAY
    elif (instants := asked.get("instants")) is not None:
        start, end = calendar.microseconds(instants["from"]), calendar.microseconds(instants["to"])
    elif (number := asked.get("lastDays")) is not None:
        start, end = now - number * calendar.DAY, now
    else:
        days_of = _PERIODS.get(asked["last"])
        start, end = (_BITCOIN if days_of is None else now - days_of * calendar.DAY), now
    start, end = max(start, _BITCOIN), min(end, now + calendar.DAY)
    return start, max(start, end)
