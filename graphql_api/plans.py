"""The plans of the operations that were asked last: what executes one of them the next time it is asked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from types import CoroutineType
from typing import Any, TypeAlias, TypeGuard, cast

import orjson
from graphql import GraphQLError, GraphQLSchema, get_variable_values
from graphql.language import DocumentNode

from graphql_api.planned import PlannedExecutor
from graphql_api.recent import Recent

_KEPT = 256  # plans
_KEPT_LENGTH = 10_000  # characters of document and variables: of longer ones none is kept
_MAX_ERRORS = 20  # told of one request's variables
# What resolvers here return to be awaited is made by `async def`, and nothing else: asked of each value.
_is_coroutine = cast("Callable[[Any], TypeGuard[Awaitable[Any]]]", CoroutineType.__instancecheck__)

_Key: TypeAlias = tuple[str, str | None, bytes]


class Plans:
    """The plans of a schema's operations that were executed last."""

    def __init__(self, schema: GraphQLSchema, *, hide_suggestions: bool) -> None:
        self._schema, self._hide_suggestions = schema, hide_suggestions
        self._kept: Recent[_Key, PlannedExecutor] = Recent(_KEPT)

    def executor(
        self, text: str, document: DocumentNode, name: str | None, variables: Mapping[str, Any], context: Any
    ) -> PlannedExecutor | list[GraphQLError]:
        """Return what executes this operation once; errors, if its variables cannot be coerced."""
        # only what has directives can select by variables; an @ in a string does no harm
        key = text, name, orjson.dumps(variables) if "@" in text else b""
        plan = self._kept.get(key)
        if plan is None:
            built = PlannedExecutor.build(
                self._schema,
                document,
                raw_variable_values=dict(variables),
                operation_name=name,
                max_coercion_errors=_MAX_ERRORS,
                hide_suggestions=self._hide_suggestions,
                is_awaitable=_is_coroutine,
            )
            if isinstance(built, list):
                return built
            assert isinstance(built, PlannedExecutor)
            if len(text) + len(key[2]) <= _KEPT_LENGTH:
                self._kept.keep(key, built)
            plan, values = built, built.variable_values
        elif definitions := plan.operation.variable_definitions:
            coerced = get_variable_values(
                self._schema, definitions, dict(variables), _MAX_ERRORS, self._hide_suggestions
            )
            if isinstance(coerced, list):
                return coerced
            values = coerced
        else:
            values = plan.variable_values
        return plan.renewed(context, values)
