"""Documents by their hash, and the operator's list of the only ones that may run."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from btcql.errors import SettingError
from btcql.settings import Settings
from graphql_api.app import create_app
from tests.api.serving import Api, serving

pytestmark = pytest.mark.parametrize("edition", ["plain"], indirect=True, scope="session")

QUERY = "query Named($s: String!) { market(symbol: $s) { symbol } }"
ANSWER = {"data": {"market": {"symbol": "DAY-USD"}}}
GRAPHQL_JSON = "application/graphql-response+json"


def hash_of(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def by_hash(text: str, **changed: Any) -> dict[str, Any]:
    persisted = {"version": 1, "sha256Hash": hash_of(text), **changed}
    return {"variables": {"s": "DAY-USD"}, "extensions": {"persistedQuery": persisted}}


def test_a_query_that_came_once_with_its_hash_is_known_by_it(api: Api) -> None:
    query = QUERY + " # never seen before"
    error = api.http.post("/graphql", json=by_hash(query)).json()["errors"][0]
    assert error["message"] == "PersistedQueryNotFound"  # by which Apollo's and urql's clients know it
    assert error["extensions"] == {"code": "PERSISTED_QUERY_NOT_FOUND", "sha256Hash": hash_of(query)}
    assert api.http.post("/graphql", json={"query": query, **by_hash(query)}).json() == ANSWER
    assert api.http.post("/graphql", json=by_hash(query)).json() == ANSWER
    parameters = {name: json.dumps(value) for name, value in by_hash(query).items()}
    assert api.http.get("/graphql", params=parameters).json() == ANSWER


@pytest.mark.parametrize(
    ("why", "request_", "named"),
    [
        ("another query's hash", {"query": QUERY, **by_hash(QUERY + " ")}, hash_of(QUERY + " ")),
        ("another version", by_hash(QUERY, version=2), "version 2"),
        ("no hash", by_hash(QUERY, sha256Hash=None), "sha256Hash None"),
        ("a short hash", by_hash(QUERY, sha256Hash="abc"), "'abc'"),
        ("no object", {"extensions": {"persistedQuery": [1]}}, "persistedQuery"),
        ("nothing at all", {"extensions": {"persistedQuery": None}}, "query"),
    ],
)
def test_what_is_not_the_protocol_is_refused(
    api: Api, why: str, request_: dict[str, Any], named: str
) -> None:
    response = api.http.post("/graphql", json=request_, headers={"accept": GRAPHQL_JSON})
    assert response.status_code == 400, why
    error = response.json()["errors"][0]
    assert error["extensions"]["code"] == "BAD_USER_INPUT", why
    assert named in error["message"], why


LISTED = """
query Named($s: String!) { market(symbol: $s) { ...Names } }
query Edition { server { edition } }
fragment Names on Market { symbol }
"""


def as_graphql(folder: Path) -> Path:
    path = folder / "operations.graphql"
    path.write_text(LISTED)
    return path


def as_json(folder: Path) -> Path:
    path = folder / "operations.json"
    texts = [
        "query Named($s: String!) { market(symbol: $s) { ...Names } } fragment Names on Market { symbol }",
        "query Edition { server { edition } }",
    ]
    path.write_text(json.dumps({hash_of(text): text for text in texts}))
    return path


@pytest.mark.parametrize("written", [as_graphql, as_json])
def test_only_listed_documents_run(markets_url: str, written: Callable[[Path], Path], tmp_path: Path) -> None:
    settings = replace(Settings(), persisted_only=str(written(tmp_path)))
    with serving(markets_url, settings=settings) as api:
        laid_out_otherwise = """
            query Named($s: String!) { market(symbol: $s) { ...Names } } # the same
            fragment Names on Market { symbol }"""
        assert api.post(laid_out_otherwise, s="DAY-USD").json() == ANSWER
        assert api.ask("query Edition { server { edition } }") == {"server": {"edition": "plain"}}
        for query, name in (
            ("{ server { edition } }", None),
            ("query Edition { server { version } }", None),
            (LISTED, "Edition"),
            ("{ __schema { queryType { name } } }", None),
        ):
            response = api.http.post("/graphql", json={"query": query, "operationName": name})
            (error,) = response.json()["errors"]
            assert (response.status_code, error["extensions"]["code"]) == (403, "FORBIDDEN")
            assert "on the list of documents" in error["message"]
        learnt = {"query": "{ __typename }", **by_hash("{ __typename }")}
        assert api.http.post("/graphql", json=learnt).status_code == 403
        error = api.http.post("/graphql", json=by_hash("{ __typename }")).json()["errors"][0]
        assert error["extensions"]["code"] == "PERSISTED_QUERY_NOT_FOUND"


def test_a_listed_document_runs_by_the_hash_that_lists_it(markets_url: str, tmp_path: Path) -> None:
    path = as_json(tmp_path)
    (text, *_) = json.loads(path.read_text()).values()
    with serving(markets_url, settings=replace(Settings(), persisted_only=str(path))) as api:
        assert api.http.post("/graphql", json=by_hash(text)).json() == ANSWER


@pytest.mark.parametrize(
    ("name", "content", "named"),
    [
        ("none.json", None, "cannot be read"),
        ("latin.json", b'{"\xe9": ""}', "UTF-8"),
        ("broken.json", b"{", "not JSON"),
        ("list.json", b"[]", "not a JSON object"),
        ("empty.json", b"{}", "lists no document"),
        ("hash.json", b'{"abc": "{ server { edition } }"}', "'abc' is not its document's sha256"),
        ("number.json", b'{"abc": 1}', "'abc' is not the hash of a document"),
        (
            "field.json",
            json.dumps({hash_of("{ nothing }"): "{ nothing }"}).encode(),
            "Cannot query field 'nothing'",
        ),
        ("syntax.graphql", b"query {", "Syntax Error"),
        ("twice.graphql", b"query A { server { edition } } query A { server { edition } }", "'A'"),
    ],
)
def test_a_list_that_cannot_be_used_is_named_at_the_start(
    edition: str, tmp_path: Path, name: str, content: bytes | None, named: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SettingError) as refused:
        create_app(replace(Settings(), persisted_only=str(path)), "postgresql://nobody@127.0.0.1:1/none")
    assert named in str(refused.value)
    assert f"BTCQL_PERSISTED_ONLY={str(path)!r}" in str(refused.value)
