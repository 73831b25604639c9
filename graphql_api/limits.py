"""How large a document may be, told from its text alone: before it is validated, let alone executed.

Validation compares fields of the same name with each other, and follows fragments: both can take far
longer than reading the text did. So the size is bounded first, as if every fragment stood where it is
spread.
"""

from __future__ import annotations

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    OperationDefinitionNode,
    SelectionSetNode,
    parse,
)
from graphql.language import ExecutableDefinitionNode, SelectionNode

from btcql.errors import QueryError

MAX_LENGTH = 100_000  # characters
MAX_TOKENS = 2_000  # tools' introspection takes some 300
MAX_DEPTH = 20  # selections within selections; the schema's own fields go 6 deep, introspection 18
MAX_ALIASES = 30  # aliases and repeated fields
MAX_ALIAS = 100  # characters: each point of an answer repeats them
MAX_DIRECTIVES = 30
MAX_SPREADS = 50
MAX_SELECTIONS = 1_000  # with each fragment's as often as it is spread


def read_document(text: str) -> DocumentNode:
    """Return the document if it is within the limits.

    Raises GraphQLError for a syntax error, QueryError: QUERY_TOO_DEEP, QUERY_TOO_COMPLEX, both with
    `limit`.
    """
    if len(text) > MAX_LENGTH:
        raise _too_many("characters", MAX_LENGTH)
    try:
        document = parse(text, max_tokens=MAX_TOKENS)
    except RecursionError:  # graphql-core 3.3 says so in its own words, 3.2 does not
        raise _too_deep() from None
    except GraphQLError as error:
        if f"more than {MAX_TOKENS} tokens" in error.message:
            raise _too_many("tokens", MAX_TOKENS) from None
        if "nested too deeply" in error.message:
            raise _too_deep() from None
        raise
    _Measure(document).check()
    return document


class _Measure:
    """The sizes of one document, over all of its operations."""

    def __init__(self, document: DocumentNode) -> None:
        self._definitions = [
            node for node in document.definitions if isinstance(node, ExecutableDefinitionNode)
        ]
        self._fragments = {
            node.name.value: node for node in self._definitions if isinstance(node, FragmentDefinitionNode)
        }
        self._directives = self._aliases = self._spreads = 0

    def check(self) -> None:
        # First each definition as it is written: what is spread is then known to be shallow.
        for definition in self._definitions:
            self._count_directives(definition)
            self._read(definition.selection_set, 1)
        size = 0
        for definition in self._definitions:
            if isinstance(definition, OperationDefinitionNode):
                size += self._expand(definition.selection_set, 1, ())
        if size > MAX_SELECTIONS:
            raise _too_many("selections", MAX_SELECTIONS)

    def _read(self, selections: SelectionSetNode | None, depth: int) -> None:
        if selections is None:
            return
        if depth > MAX_DEPTH:
            raise _too_deep()
        names = set()
        for node in selections.selections:
            self._count_directives(node)
            if isinstance(node, FragmentSpreadNode):
                self._spreads += 1
                continue
            if isinstance(node, FieldNode):
                name = (node.alias or node.name).value
                if len(name) > MAX_ALIAS:
                    raise _too_many(f"characters in the alias {name:.20}...", MAX_ALIAS)
                self._aliases += node.alias is not None or name in names
                names.add(name)
            self._read(getattr(node, "selection_set", None), depth + 1)
        for found, limit, what in (
            (self._aliases, MAX_ALIASES, "aliases and repeated fields"),
            (self._spreads, MAX_SPREADS, "fragment spreads"),
        ):
            if found > limit:
                raise _too_many(what, limit)

    def _count_directives(self, node: ExecutableDefinitionNode | SelectionNode) -> None:
        self._directives += len(node.directives or ())
        if self._directives > MAX_DIRECTIVES:
            raise _too_many("directives", MAX_DIRECTIVES)

    def _expand(self, selections: SelectionSetNode | None, depth: int, within: tuple[str, ...]) -> int:
        """Return how many selections these are with their fragments; a cycle is validation's to name."""
        if depth > MAX_DEPTH:
            raise _too_deep()
        size = 0
        for node in selections.selections if selections else ():
            size += 1
            if isinstance(node, FragmentSpreadNode):
                name = node.name.value
                fragment = self._fragments.get(name)
                if fragment is not None and name not in within:
                    size += self._expand(fragment.selection_set, depth + 1, (*within, name))
            else:
                inner: SelectionSetNode | None = getattr(node, "selection_set", None)
                size += self._expand(inner, depth + 1, within) if inner else 0
            if size > MAX_SELECTIONS:
                raise _too_many("selections", MAX_SELECTIONS)
        return size


def _too_deep() -> QueryError:
    return QueryError(
        "QUERY_TOO_DEEP",
        f"the document is nested too deeply: at most {MAX_DEPTH} levels are read",
        limit=MAX_DEPTH,
    )


def _too_many(what: str, limit: int) -> QueryError:
    return QueryError(
        "QUERY_TOO_COMPLEX",
        f"the document has more than {limit} {what}: ask in several requests",
        limit=limit,
    )
