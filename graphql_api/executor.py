"""From a document to its answer: parsed and validated once, executed by graphql-core."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Collection, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from inspect import isawaitable
from typing import Any, NamedTuple, cast

from graphql import (
    DocumentNode,
    ExecutionResult,
    FieldNode,
    GraphQLError,
    GraphQLSchema,
    NoSchemaIntrospectionCustomRule,
    OperationDefinitionNode,
    get_operation_ast,
    specified_rules,
    subscribe,
    validate,
)
from graphql.pyutils import AwaitableOrValue
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule

from btcql.errors import QueryError
from graphql_api.context import Context
from graphql_api.errors import describe, mask
from graphql_api.limits import read_document
from graphql_api.plans import Plans
from graphql_api.recent import Recent
from graphql_api.types import Warning  # noqa: A004 - the contract's name

# strawberry checks `@oneOf` by a rule of its own; its other one shows its own innards in its messages
_RULES = (*specified_rules, OneOfInputValidationRule)
_KEPT = 256  # documents
_MAX_ERRORS = 20  # told of one document: each may mean a search for what was meant
_KEPT_LENGTH = 10_000  # characters of each: longer ones are read anew every time
_WORD = re.compile(r"\w+")


class DocumentError(Exception):
    """A document that cannot be executed: every `errors` of it says why."""

    def __init__(self, *errors: GraphQLError) -> None:
        self.errors = errors
        super().__init__(*errors)


@dataclass(frozen=True)
class Operation:
    """A valid document as it was written, and the one of its operations that is to run."""

    text: str
    document: DocumentNode
    node: OperationDefinitionNode

    @cached_property
    def words(self) -> frozenset[str]:
        """The document's words, among which are all fields that it selects, by their own names."""
        return frozenset(_WORD.findall(self.text))

    @cached_property
    def reads(self) -> bool:
        """Whether it asks for more than the schema tells of itself."""
        selected = self.node.selection_set.selections
        return not all(isinstance(each, FieldNode) and each.name.value.startswith("__") for each in selected)

    @property
    def name(self) -> str | None:
        """Its name, if it has one."""
        return self.node.name.value if self.node.name else None


class Answer(NamedTuple):
    """A response: its errors described; `executed` is False when the document could not be executed.

    made_up: the markets in it that are; each has a warning in the extensions, where every answer has room.
    """

    data: dict[str, Any] | None
    errors: list[dict[str, Any]]
    executed: bool
    made_up: Collection[str] = ()

    @classmethod
    def refusing(cls, *errors: Exception, executed: bool = False) -> Answer:
        """Return the answer to what is not executed, or not to its end."""
        found = (
            error if isinstance(error, GraphQLError) else GraphQLError(str(error), original_error=error)
            for error in errors
        )
        return cls(None, [describe(error) for error in found], executed)

    @classmethod
    def failing(cls, error: Exception) -> Answer:
        """Return the answer when the server itself is at fault."""
        return cls(None, [mask(error)], executed=False)

    @property
    def codes(self) -> list[str]:
        """The contract's codes of its errors."""
        return [error["extensions"]["code"] for error in self.errors]

    def body(self) -> dict[str, Any]:
        """Return the response as GraphQL over HTTP has it: `data` only if execution began."""
        body: dict[str, Any] = {"errors": self.errors} if self.errors else {}
        if self.executed:
            body["data"] = self.data
        if self.made_up:
            warnings = [asdict(Warning.of_made_up(symbol)) for symbol in sorted(self.made_up)]
            body["extensions"] = {"warnings": warnings}
        return body


class Executor:
    """A schema with the documents that it has read before."""

    def __init__(
        self,
        schema: GraphQLSchema,
        *,
        introspection: bool = True,
    ) -> None:
        self.schema, self._introspection = schema, introspection
        self._plans = Plans(schema, hide_suggestions=not introspection)
        self._rules = _RULES if introspection else (*_RULES, NoSchemaIntrospectionCustomRule)
        self._documents: Recent[str, DocumentNode | DocumentError] = Recent(_KEPT)

    def prepare(self, text: str, operation_name: str | None) -> Operation:
        """Return the operation that is asked for; raises DocumentError."""
        document = self.document(text)
        node = get_operation_ast(document, operation_name)
        if node is None:
            raise DocumentError(GraphQLError(_no_operation(document, operation_name)))
        if self.schema.get_root_type(node.operation) is None:
            raise DocumentError(
                GraphQLError(f"there is no {node.operation.value} here: ask by a query", node)
            )
        return Operation(text, document, node)

    async def execute(
        self, operation: Operation, variables: Mapping[str, Any] | None, context: Context
    ) -> Answer:
        """Return the answer; every error is in it."""
        try:
            result = self.start(operation, variables or {}, context)
            if isawaitable(result):
                result = await result
        except Exception as error:  # noqa: BLE001 - whatever it is, the edge has to answer it
            return Answer.failing(error)
        # an error of a field has a path; without one it was found before the first field
        executed = result.data is not None or any(error.path is not None for error in result.errors or ())
        errors = [describe(error) for error in result.errors or ()]
        return Answer(result.data, errors, executed, context.extent.made_up)

    def start(
        self, operation: Operation, variables: Mapping[str, Any], context: Context
    ) -> AwaitableOrValue[ExecutionResult]:
        """Begin to execute the operation, and return its result as graphql-core has it."""
        executor = self._plans.executor(
            operation.text, operation.document, operation.name, variables, context
        )
        if isinstance(executor, list):
            return ExecutionResult(None, executor)
        # without @defer and @stream, which the schema does not have, there is no other result
        return cast("AwaitableOrValue[ExecutionResult]", executor.execute_operation())

    async def subscribe(
        self, operation: Operation, variables: Mapping[str, Any] | None, context: Context
    ) -> AsyncGenerator[Answer, None]:
        """Yield an answer for each event of a subscription; one that cannot begin is answered once."""
        found = subscribe(
            self.schema,
            operation.document,
            context_value=context,
            variable_values=dict(variables or {}),
            operation_name=operation.name,
        )
        if isawaitable(found):
            found = await found
        if isinstance(found, ExecutionResult):
            yield Answer(None, [describe(error) for error in found.errors or ()], executed=False)
            return
        events = cast("AsyncGenerator[ExecutionResult, None]", found)
        try:
            async for result in events:
                errors = [describe(error) for error in result.errors or ()]
                yield Answer(result.data, errors, executed=True, made_up=context.extent.made_up)
        finally:
            await events.aclose()

    def document(self, text: str) -> DocumentNode:
        """Return the document, read before or now; raises DocumentError."""
        found = self._documents.get(text)
        if found is None:
            found = self._read(text)
            if len(text) <= _KEPT_LENGTH:
                self._documents.keep(text, found)
        if isinstance(found, DocumentError):
            raise DocumentError(*found.errors)
        return found

    def _read(self, text: str) -> DocumentNode | DocumentError:
        try:
            document = read_document(text)
            errors = validate(
                self.schema,
                document,
                self._rules,
                max_errors=_MAX_ERRORS,
                hide_suggestions=not self._introspection,
            )
        except GraphQLError as error:
            return DocumentError(error)
        except RecursionError as error:  # where graphql-core does not say so itself
            return DocumentError(GraphQLError("the document is nested too deeply", original_error=error))
        except QueryError as error:
            return DocumentError(GraphQLError(str(error), original_error=error))
        return DocumentError(*errors) if errors else document


def _no_operation(document: DocumentNode, name: str | None) -> str:
    """Return why no operation of the document can be chosen."""
    operations = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
    names = ", ".join(node.name.value for node in operations if node.name)
    if name is not None:
        return f"the document has no operation {name!r}" + (f": it has {names}" if names else "")
    return f"the document has several operations: say by its operation name which to run, of {names}"
