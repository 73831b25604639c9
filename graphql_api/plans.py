"""Operations that are asked again: what graphql-core finds out about them is found out once.

Which fields a document selects and with which arguments depends on its text and its variables alone, and yet
graphql-core finds it out in every execution, in a good part of a short answer's time. Here the executor of an
operation's first execution is the plan of the next ones. Each is a copy of it which shares what was found:

1  the coerced variables, and the fields that each selection set comes to (graphql-core's own memory of them),
2  for each such field its definition, its resolver and its coerced arguments.

What is of one execution alone (context, errors, work under way) is new in every copy. Arguments that cannot
be coerced are not kept: they are graphql-core's to tell of, every time.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from copy import copy
from typing import Any, NamedTuple, TypeAlias

import orjson
from graphql import (
    FieldNode,
    GraphQLError,
    GraphQLField,
    GraphQLObjectType,
    GraphQLSchema,
    get_argument_values,
)
from graphql.execution.collect_fields import FieldDetailsList, GroupedFieldSet
from graphql.execution.executor import CollectedErrors
from graphql.language import DocumentNode
from graphql.pyutils import AwaitableOrValue, Path, UndefinedType

from graphql_api.batches import BatchExecutor
from graphql_api.recent import Recent

_KEPT = 256  # plans
_KEPT_LENGTH = 10_000  # characters of document and variables: of longer ones none is kept

_Key: TypeAlias = tuple[str, str | None, bytes]


class _Field(NamedTuple):
    """A field of an operation, ready to be resolved."""

    definition: GraphQLField
    nodes: list[FieldNode]
    arguments: dict[str, Any]


class PlannedExecutor(BatchExecutor):
    """An executor that is its own plan: its renewed copies share what it has found out."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._root: list[GroupedFieldSet] = []
        # by the identity of the lists of their nodes, which are kept by `_root` and by graphql-core's memory
        self._fields: dict[int, _Field] = {}

    def renewed(self, context: Any) -> PlannedExecutor:
        """Return an executor of the same operation for another execution."""
        executor = copy(self)
        executor.context_value = context
        executor.collected_errors = CollectedErrors()
        executor.background_futures, executor.pending_incremental_futures = set(), set()
        return executor

    def execute_collected_root_fields(
        self,
        root_type: GraphQLObjectType,
        root_value: Any,
        grouped_field_set: GroupedFieldSet,
        serially: bool,
        new_defer_usages: Sequence[Any],
    ) -> AwaitableOrValue[dict[str, Any]]:
        """Execute the root's fields: those that were collected first."""
        if not self._root:
            self._root.append(grouped_field_set)
        return super().execute_collected_root_fields(
            root_type, root_value, self._root[0], serially, new_defer_usages
        )

    def execute_field(
        self,
        parent_type: GraphQLObjectType,
        source: Any,
        field_details_list: FieldDetailsList,
        path: Path,
        position_context: Any,
    ) -> AwaitableOrValue[Any] | UndefinedType:
        """Resolve and complete a field, as graphql-core's method does."""
        field = self._fields.get(id(field_details_list)) or self._find(parent_type, field_details_list)
        if field is None:
            return super().execute_field(parent_type, source, field_details_list, path, position_context)
        kind = field.definition.type
        try:
            info = self.build_resolve_info(field.definition, field.nodes, parent_type, path)
            resolve = field.definition.resolve or self.field_resolver
            result = resolve(source, info, **field.arguments)
            if self.is_awaitable(result):
                return self.complete_awaitable_value(
                    kind, field_details_list, info, path, result, position_context
                )
            completed = self.complete_value(kind, field_details_list, info, path, result, position_context)
        except Exception as error:  # noqa: BLE001 - whatever a resolver raises is the answer's
            self.handle_field_error(error, kind, field_details_list, path)
            return None
        if self.is_awaitable(completed):
            return self._settle(completed, field, field_details_list, path)
        return completed

    async def _settle(
        self, completed: Awaitable[Any], field: _Field, details: FieldDetailsList, path: Path
    ) -> Any:
        try:
            return await completed
        except Exception as error:  # noqa: BLE001 - as above
            self.handle_field_error(error, field.definition.type, details, path)
            return None

    def _find(self, parent: GraphQLObjectType, details: FieldDetailsList) -> _Field | None:
        """Return the field of these nodes, and keep it; None if it or its arguments are none."""
        node, variables = details[0].node, details[0].fragment_variable_values
        definition = self.schema.get_field(parent, node.name.value)
        if definition is None:
            return None
        try:
            arguments = get_argument_values(definition, node, self.variable_values, variables)
        except GraphQLError:
            return None
        field = _Field(definition, [each.node for each in details], arguments)
        self._fields[id(details)] = field
        return field


class Plans:
    """The plans of a schema's operations that were executed last."""

    def __init__(self, schema: GraphQLSchema, *, hide_suggestions: bool) -> None:
        self._schema, self._hide_suggestions = schema, hide_suggestions
        self._kept: Recent[_Key, PlannedExecutor] = Recent(_KEPT)

    def executor(
        self, text: str, document: DocumentNode, name: str | None, variables: Mapping[str, Any], context: Any
    ) -> PlannedExecutor | list[GraphQLError]:
        """Return what executes this operation once; errors, if its variables cannot be coerced."""
        key = text, name, orjson.dumps(variables)
        plan = self._kept.get(key)
        if plan is None:
            built = PlannedExecutor.build(
                self._schema,
                document,
                raw_variable_values=dict(variables),
                operation_name=name,
                hide_suggestions=self._hide_suggestions,
            )
            if isinstance(built, list):
                return built
            assert isinstance(built, PlannedExecutor)
            plan = built
            if len(text) + len(key[2]) <= _KEPT_LENGTH:
                self._kept.keep(key, plan)
        return plan.renewed(context)
