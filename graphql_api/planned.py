"""Operations that are asked again: what graphql-core finds out about their text is found out once.

Which fields a document selects depends on its text, and on its variables only where these are in directives;
with which arguments, often on nothing else either. Yet graphql-core finds it all out in every execution, in a
good part of a short answer's time. Here the executor of an operation's first execution is the plan of the
next ones (kept by `plans.py`). Each is a copy of it, which shares what was found:

1  the fields that each selection set comes to (graphql-core's own memory of them, and the root's),
2  for each of these its definition, and its resolver with its arguments if no variable is in them.

What is of one execution alone (context, variables, errors, work under way) is new in every copy. Where
variables are in directives, there is one plan for each of their values. Arguments that cannot be coerced are
not kept: they are graphql-core's to tell of, every time.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from graphql import (
    ExecutionResult,
    ExperimentalIncrementalExecutionResults,
    FieldNode,
    GraphQLError,
    GraphQLField,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLResolveInfo,
    ListValueNode,
    Node,
    ObjectValueNode,
    VariableNode,
    get_argument_values,
)
from graphql.execution.collect_fields import FieldDetailsList, GroupedFieldSet
from graphql.execution.executor import CollectedErrors
from graphql.execution.values import VariableValues
from graphql.pyutils import AwaitableOrValue, Path, Undefined, UndefinedType

from graphql_api.batches import Batch, BatchExecutor
from graphql_api.directness import DirectResolver


class _Field(NamedTuple):
    """A field of an operation; without what resolves it if its arguments depend on variables."""

    definition: GraphQLField
    nodes: list[FieldNode]
    resolve: Callable[[Any, GraphQLResolveInfo[Any]], Any] | None


class PlannedExecutor(BatchExecutor):
    """An executor that is its own plan: its renewed copies share what it has found out."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._root: list[tuple[GraphQLObjectType, GroupedFieldSet]] = []
        # by the identity of the lists of their nodes, which are kept by `_root` and by graphql-core's memory
        self._fields: dict[int, _Field] = {}

    def renewed(self, context: Any, variables: VariableValues) -> PlannedExecutor:
        """Return an executor of the same operation for another execution."""
        executor = object.__new__(PlannedExecutor)
        executor.__dict__.update(self.__dict__)  # what copy() comes to
        executor.context_value, executor.variable_values = context, variables
        executor.collected_errors = CollectedErrors()
        executor.background_futures, executor.pending_incremental_futures = set(), set()
        return executor

    def execute_operation(
        self, serially: bool | None = None
    ) -> AwaitableOrValue[ExecutionResult | ExperimentalIncrementalExecutionResults]:
        """Execute the operation, as graphql-core's method does, but for the root's fields that are known."""
        if not self._root:
            return super().execute_operation(serially)
        root, grouped_field_set = self._root[0]
        try:
            data = self.execute_fields(root, self.root_value, None, grouped_field_set, None)
        except GraphQLError as error:
            return self._fail(error)
        return self.build_response(data) if isinstance(data, dict) else self._respond(data)

    def execute_collected_root_fields(
        self,
        root_type: GraphQLObjectType,
        root_value: Any,
        grouped_field_set: GroupedFieldSet,
        serially: bool,
        new_defer_usages: Sequence[Any],
    ) -> AwaitableOrValue[dict[str, Any]]:
        """Execute the root's fields, and keep them for the next executions of a query."""
        if not serially:
            self._root.append((root_type, grouped_field_set))
        return super().execute_collected_root_fields(
            root_type, root_value, grouped_field_set, serially, new_defer_usages
        )

    def execute_fields(
        self,
        parent_type: GraphQLObjectType,
        source_value: Any,
        path: Path | None,
        grouped_field_set: GroupedFieldSet,
        position_context: Any,
    ) -> AwaitableOrValue[dict[str, Any]]:
        """Execute fields, as graphql-core's method does; a single one without others in mind."""
        if len(grouped_field_set) != 1:
            return super().execute_fields(
                parent_type, source_value, path, grouped_field_set, position_context
            )
        ((name, details),) = grouped_field_set.items()
        inner = Path(path, name, parent_type.name)
        result = self.execute_field(parent_type, source_value, details, inner, position_context)
        if self.is_awaitable(result):
            return _named(name, result)
        return {} if result is Undefined else {name: result}

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
            if field.resolve is not None:
                result = field.resolve(source, info)
            else:
                arguments = self._coerce(field.definition, field_details_list)
                result = (field.definition.resolve or self.field_resolver)(source, info, **arguments)
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

    def complete_value(
        self,
        return_type: GraphQLOutputType,
        field_details_list: FieldDetailsList,
        info: GraphQLResolveInfo[Any],
        path: Path,
        result: Any,
        position_context: Any,
    ) -> AwaitableOrValue[Any]:
        """Complete a value, as graphql-core's method does; batches and most objects at once."""
        kind = return_type.of_type if isinstance(return_type, GraphQLNonNull) else return_type
        if isinstance(result, Batch) and isinstance(kind, GraphQLList):
            return self.complete_list_value(kind, field_details_list, info, path, result, position_context)
        if (
            not isinstance(kind, GraphQLObjectType)
            or kind.is_type_of
            or result is None
            or result is Undefined
            or isinstance(result, Exception)
        ):
            return super().complete_value(
                return_type, field_details_list, info, path, result, position_context
            )
        selected = self.collect_subfields(kind, field_details_list).grouped_field_set
        return self.execute_fields(kind, result, path, selected, None)

    async def _respond(
        self, data: Awaitable[dict[str, Any]]
    ) -> ExecutionResult | ExperimentalIncrementalExecutionResults:
        try:
            return self.build_response(await data)
        except GraphQLError as error:
            return self._fail(error)

    def _fail(self, error: GraphQLError) -> ExecutionResult | ExperimentalIncrementalExecutionResults:
        """Return the response without data: the error has come up to the root."""
        self.collected_errors.add(error, None)
        return self.build_response(None)

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
        definition = self.schema.get_field(parent, details[0].node.name.value)
        if definition is None:
            return None
        resolve = None
        if not any(_has_variables(argument.value) for argument in details[0].node.arguments or ()):
            try:
                resolve = _given(definition.resolve or self.field_resolver, self._coerce(definition, details))
            except Exception:  # noqa: BLE001 - whatever it is, graphql-core comes to it, and tells of it
                return None
        field = _Field(definition, [each.node for each in details], resolve)
        self._fields[id(details)] = field
        return field

    def _coerce(self, definition: GraphQLField, details: FieldDetailsList) -> dict[str, Any]:
        first = details[0]
        return get_argument_values(
            definition,
            first.node,
            self.variable_values,
            first.fragment_variable_values,
            self.hide_suggestions,
        )


async def _named(name: str, result: Awaitable[Any]) -> dict[str, Any]:
    return {name: await result}


def _given(
    resolve: Callable[..., Any], arguments: Mapping[str, Any]
) -> Callable[[Any, GraphQLResolveInfo[Any]], Any]:
    """Return the resolver with its arguments."""
    if isinstance(resolve, DirectResolver):
        return resolve.given(arguments)
    return partial(resolve, **arguments) if arguments else resolve


def _has_variables(node: Node) -> bool:
    """Return whether a value of a document has variables in it."""
    match node:
        case VariableNode():
            return True
        case ListValueNode():
            return any(map(_has_variables, node.values))
        case ObjectValueNode():
            return any(_has_variables(field.value) for field in node.fields)
    return False
