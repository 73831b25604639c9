"""From a document to its answer: parsed and validated once, executed by graphql-core."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from inspect import isawaitable
from typing import Any

from graphql import (
    DocumentNode,
    ExecutionResult,
    GraphQLError,
    GraphQLSchema,
    execute,
    parse,
    specified_rules,
    validate,
)
from strawberry.schema.validation_rules.one_of import OneOfInputValidationRule

from graphql_api.context import Context
from graphql_api.errors import describe

# strawberry checks `@oneOf` by a rule of its own; its other one shows its own innards in its messages
_RULES = (*specified_rules, OneOfInputValidationRule)
_KEPT = 256  # documents
_KEPT_LENGTH = 10_000  # characters of each: longer ones are read anew every time


@dataclass(frozen=True)
class Answer:
    """A response: its errors described; `executed` is False when the document could not be executed."""

    data: dict[str, Any] | None
    errors: list[dict[str, Any]]
    executed: bool

    @property
    def codes(self) -> set[str]:
        """The contract's codes of its errors."""
        return {error["extensions"]["code"] for error in self.errors}

    def body(self) -> dict[str, Any]:
        """Return the response as GraphQL over HTTP has it: `data` only if execution began."""
        body: dict[str, Any] = {"errors": self.errors} if self.errors else {}
        return {**body, "data": self.data} if self.executed else body


class Executor:
    """A schema with the documents that it has read before."""

    def __init__(self, schema: GraphQLSchema) -> None:
        self._schema = schema
        self._documents: OrderedDict[str, DocumentNode | list[GraphQLError]] = OrderedDict()

    async def execute(
        self, text: str, variables: Mapping[str, Any] | None, operation_name: str | None, context: Context
    ) -> Answer:
        """Return the answer; every error is in it."""
        document = self._prepare(text)
        if isinstance(document, list):
            return Answer(None, [describe(error) for error in document], executed=False)
        try:
            result = execute(
                self._schema,
                document,
                context_value=context,
                variable_values=dict(variables or {}),
                operation_name=operation_name,
            )
            if isawaitable(result):
                result = await result
        except Exception as error:  # noqa: BLE001 - whatever it is, the edge has to answer it
            result = ExecutionResult(None, [GraphQLError(str(error), original_error=error)])
        # an error of a field has a path; without one it was found before the first field
        executed = result.data is not None or any(error.path is not None for error in result.errors or ())
        return Answer(result.data, [describe(error) for error in result.errors or ()], executed)

    def _prepare(self, text: str) -> DocumentNode | list[GraphQLError]:
        """Return the document, or what is wrong with it."""
        if (kept := self._documents.get(text)) is not None:
            self._documents.move_to_end(text)
            return kept
        prepared = self._read(text)
        if len(text) <= _KEPT_LENGTH:
            self._documents[text] = prepared
            if len(self._documents) > _KEPT:
                self._documents.popitem(last=False)
        return prepared

    def _read(self, text: str) -> DocumentNode | list[GraphQLError]:
        try:
            document = parse(text)
            return validate(self._schema, document, _RULES) or document
        except GraphQLError as error:
            return [error]
        except RecursionError as error:  # graphql-core 3.3 says so itself, 3.2 does not
            return [GraphQLError("the document is nested too deeply", original_error=error)]
