"""Which fields need which scope."""

from __future__ import annotations

import pytest
from graphql import GraphQLObjectType, OperationDefinitionNode, parse

from btcql.access import SCOPES
from graphql_api.schema import schema
from graphql_api.scopes import needed_scopes

# What is nobody's secret: which markets there are, and what answers. All else of these types needs a scope.
FREE = {
    "Query": {"markets", "market", "server"},
    "Market": {"symbol", "base", "quote", "sources", "synthetic"},
    "Subscription": set(),
}
INNER = schema._schema


def scopes(text: str) -> dict[str, str]:
    document = parse(text)
    operation = document.definitions[0]
    assert isinstance(operation, OperationDefinitionNode)
    return needed_scopes(INNER, document, operation)


@pytest.mark.parametrize("name", FREE)
def test_a_field_that_is_new_is_given_a_scope_or_said_to_need_none(name: str) -> None:
    kind = INNER.type_map[name]
    assert isinstance(kind, GraphQLObjectType)
    texts = {
        "Query": "query {{ {} }}",
        "Market": "query {{ market {{ {} }} }}",
        "Subscription": "subscription {{ {} }}",
    }
    needed = {field: set(scopes(texts[name].format(field))) for field in kind.fields}
    assert {field for field, given in needed.items() if not given} == FREE[name]
    assert set().union(*needed.values()) <= set(SCOPES)


def test_fragments_aliases_and_directives_hide_nothing() -> None:
    text = """query Q($no: Boolean!) {
        a: market { ...F }
        markets { ... on Market { ... @include(if: $no) { s: forecastScore { issued } } } }
    }
    fragment F on Market { ...G candles(range: {last: WEEK}) { columns { close } } }
    fragment G on Market { base }
    fragment Unused on Query { pipeline { state } }"""
    assert scopes(text) == {"prices": "Market.candles", "forecasts": "Market.forecastScore"}
