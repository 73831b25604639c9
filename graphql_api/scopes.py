"""Which scopes an operation needs: those of the fields it names, whatever @skip and @include make of them."""

from __future__ import annotations

from collections.abc import Mapping

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLCompositeType,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    get_named_type,
    is_composite_type,
)
from graphql.language import DocumentNode

# A field that is not here needs what the fields below it need: market { symbol } is anybody's.
_NEEDED: Mapping[tuple[str, str], frozenset[str]] = {
    ("Market", "freshness"): frozenset({"prices"}),
    ("Market", "price"): frozenset({"prices"}),
    ("Market", "movement"): frozenset({"prices"}),
    ("Market", "candles"): frozenset({"prices"}),
    ("Market", "movingAverage"): frozenset({"prices"}),
    ("Market", "forecast"): frozenset({"forecasts"}),
    ("Market", "forecastScore"): frozenset({"forecasts"}),
    ("Query", "pipeline"): frozenset({"pipeline"}),
    ("Subscription", "barClosed"): frozenset({"subscriptions", "prices"}),
    ("Subscription", "forecastIssued"): frozenset({"subscriptions", "forecasts"}),
}


def needed_scopes(
    schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode
) -> dict[str, str]:
    """Return each scope that a valid operation needs, with the first field that needs it (as Type.field)."""
    root = schema.get_root_type(operation.operation)
    fragments = {
        node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)
    }
    needed: dict[str, str] = {}
    seen: set[str] = set()
    waiting: list[tuple[GraphQLCompositeType, SelectionSetNode]] = []
    if root is not None:
        waiting.append((root, operation.selection_set))
    while waiting:
        parent, selections = waiting.pop()
        for node in selections.selections:
            below: SelectionSetNode | None = None
            kind: object = parent
            if isinstance(node, FieldNode):
                name = node.name.value
                for scope in _NEEDED.get((parent.name, name), ()):
                    needed.setdefault(scope, f"{parent.name}.{name}")
                field = getattr(parent, "fields", {}).get(name)
                below, kind = node.selection_set, get_named_type(field.type) if field else None
            elif isinstance(node, InlineFragmentNode):
                below = node.selection_set
                if node.type_condition:
                    kind = schema.get_type(node.type_condition.name.value)
            elif isinstance(node, FragmentSpreadNode) and node.name.value not in seen:
                seen.add(node.name.value)
                fragment = fragments[node.name.value]
                below, kind = fragment.selection_set, schema.get_type(fragment.type_condition.name.value)
            if below is not None and is_composite_type(kind):
                waiting.append((kind, below))
    return needed
