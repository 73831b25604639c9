"""What is asked becomes an operation that may run: its document, its cost, and its client's right to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from graphql_api.auth import ALL_SCOPES, MIN_COST, Gate
from graphql_api.context import Context
from graphql_api.cost import Cost
from graphql_api.estimates import Estimator
from graphql_api.exchange import name_operation
from graphql_api.executor import Executor, Operation
from graphql_api.persisted import Documents
from graphql_api.request import GraphQLRequest
from graphql_api.scopes import needed_scopes


class Admitted(NamedTuple):
    """A request that may run, for any client of the same scopes on the same day (a cost is of a day)."""

    operation: Operation
    variables: Mapping[str, Any] | None
    cost: Cost
    media_type: str

    @property
    def charge(self) -> int:
        """What its client is charged."""
        return charge_for(self.cost)


class Admission:
    """Steps 3 to 5, for every way that an operation comes; the database is not asked for its data yet."""

    def __init__(self, gate: Gate, executor: Executor, documents: Documents, estimator: Estimator) -> None:
        self._gate, self._executor, self._documents, self._estimator = gate, executor, documents, estimator

    def admit(self, asked: GraphQLRequest, context: Context) -> tuple[Operation, Context]:
        """Return the operation, and its context with the cost of it, which its client has been charged.

        Raises DocumentError, and QueryError for what is too dear, not allowed, or too much in a minute.
        """
        # 3 the document
        operation = self._executor.prepare(self._documents.text_of(asked), asked.operation_name)
        self._documents.check(operation)
        name_operation(operation.name)
        # 4 its cost, before the database is asked; the document's own limits are checked where it is read
        cost = self._estimator.estimate(operation, asked.variables, context.now)
        # 5 what the client may ask, and the cost charged to it
        if context.client.scopes != ALL_SCOPES:
            needed = needed_scopes(self._executor.schema, operation.document, operation.node)
            self._gate.require(context.client, needed)
        self._gate.charge(context.client, charge_for(cost), paid=MIN_COST)
        return operation, replace(context, cost=cost)


def charge_for(cost: Cost) -> int:
    """Return what a client is charged for an operation of this cost."""
    return max(MIN_COST, cost.total())
