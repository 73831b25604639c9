"""The costs of operations, each computed once for the same variables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import orjson
from graphql import GraphQLError, GraphQLSchema, get_variable_values
from graphql.execution.values import VariableValues

from btcql import calendar
from graphql_api.cost import Cost, weigh
from graphql_api.executor import DocumentError, Operation
from graphql_api.recent import Recent

_KEPT = 1_000  # costs
_KEPT_LENGTH = 10_000  # characters of document and variables: of longer ones none is kept

_Key: TypeAlias = tuple[str, str | None, bytes, int]


class Estimator:
    """What operations on a schema cost, of at most `limit`."""

    def __init__(self, schema: GraphQLSchema, limit: int) -> None:
        self._schema, self._limit = schema, limit
        self._costs: Recent[_Key, Cost] = Recent(_KEPT)

    def estimate(self, operation: Operation, variables: Mapping[str, Any] | None, now: int) -> Cost:
        """Return the cost at the instant `now`, within the limit.

        Raises DocumentError for variables that do not fit, QueryError (QUERY_TOO_COMPLEX).
        """
        # a range that ends now is longer by a bar tomorrow
        key = (operation.text, operation.name, orjson.dumps(variables), now // calendar.DAY)
        cost = self._costs.get(key)
        if cost is None:
            cost = self._weigh(operation, variables, now)
            if len(operation.text) + len(key[2]) <= _KEPT_LENGTH:
                self._costs.keep(key, cost)
        cost.check()
        return cost

    def _weigh(self, operation: Operation, variables: Mapping[str, Any] | None, now: int) -> Cost:
        values = get_variable_values(
            self._schema, operation.node.variable_definitions or (), dict(variables or {}), max_errors=20
        )
        if not isinstance(values, VariableValues):
            raise DocumentError(*values)
        try:
            return weigh(self._schema, operation.document, operation.node, values, now, self._limit)
        except GraphQLError as error:
            raise DocumentError(error) from None
