"""What the page with the price and the forecast asks is what the schema answers."""

from __future__ import annotations

import re
from importlib.resources import files

from graphql import build_schema, parse, validate

from graphql_api.schema import printed


def test_every_query_of_the_page_is_one_of_the_schema() -> None:
    page = files("web").joinpath("index.html").read_text(encoding="utf-8")
    texts = dict(re.findall(r"^const (\w+) = ([`\"].*?[`\"]);$", page, re.MULTILINE | re.DOTALL))
    moves = texts["MOVES"].strip('"')
    queries = [text.strip("`").replace("${MOVES}", moves) for text in texts.values() if "query (" in text]
    assert len(queries) == 2
    schema = build_schema(printed())
    assert [validate(schema, parse(query)) for query in queries] == [[], []]
