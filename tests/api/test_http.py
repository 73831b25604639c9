"""GraphQL over HTTP, the pages, and whether the server is well."""

from __future__ import annotations

import json
import socket

import httpx
import pytest

from tests.api.serving import Api

GRAPHQL_JSON = "application/graphql-response+json"
SYMBOL = "{ market { symbol } }"


def kind(response: httpx.Response) -> str:
    return response.headers["content-type"].partition(";")[0]


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, "application/json"),
        ("*/*", "application/json"),
        ("application/json", "application/json"),
        (GRAPHQL_JSON, GRAPHQL_JSON),
        (f"{GRAPHQL_JSON}, application/json;q=0.9", GRAPHQL_JSON),
        (f"{GRAPHQL_JSON};q=0.1, application/json", "application/json"),
        (f"{GRAPHQL_JSON};q=nonsense, application/*", "application/json"),
    ],
)
def test_the_answer_comes_in_the_type_that_is_accepted(api: Api, accept: str | None, expected: str) -> None:
    request = api.http.build_request("POST", "/graphql", json={"query": SYMBOL})
    del request.headers["accept"]
    if accept:
        request.headers["accept"] = accept
    response = api.http.send(request)
    assert (response.status_code, kind(response)) == (200, expected)
    assert response.json() == {"data": {"market": {"symbol": "BTC-USD"}}}


def test_a_query_can_come_by_get(api: Api) -> None:
    parameters = {
        "query": "query A { server { edition } } query B($s: String!) { market(symbol: $s) { symbol } }",
        "operationName": "B",
        "variables": json.dumps({"s": "DAY-USD"}),
    }
    response = api.http.get("/graphql", params=parameters)
    assert response.json() == {"data": {"market": {"symbol": "DAY-USD"}}}


@pytest.mark.parametrize(
    "query", ["{", "{ nothing }", "query ($x: Int!) { market { symbol } __typename @skip(if: $x) }"]
)
def test_a_document_that_cannot_be_executed_is_a_400_in_the_new_type_and_a_200_in_the_old(
    api: Api, query: str
) -> None:
    for accept, status in ((GRAPHQL_JSON, 400), ("application/json", 200)):
        response = api.http.post("/graphql", json={"query": query}, headers={"accept": accept})
        assert response.status_code == status
        assert "data" not in response.json()
        assert response.json()["errors"]


def test_two_operations_without_a_name_cannot_be_executed(api: Api) -> None:
    query = "query A { server { edition } } query B { server { version } }"
    response = api.http.post("/graphql", json={"query": query}, headers={"accept": GRAPHQL_JSON})
    assert response.status_code == 400
    assert "operation name" in response.json()["errors"][0]["message"]


def test_a_field_error_is_still_an_answer(api: Api) -> None:
    response = api.http.post(
        "/graphql", json={"query": '{ market(symbol: "X-Y") { symbol } }'}, headers={"accept": GRAPHQL_JSON}
    )
    assert response.status_code == 200
    assert response.json()["data"] is None


MALFORMED = [
    ("not JSON", b"{", 400),
    ("a list", b"[]", 400),
    ("no query", b"{}", 400),
    ("a blank query", b'{"query": " "}', 400),
    ("a query that is a number", b'{"query": 1}', 400),
    ("variables that are a list", b'{"query": "{ __typename }", "variables": [1]}', 400),
    ("an operation name that is a number", b'{"query": "{ __typename }", "operationName": 1}', 400),
    ("extensions that are a string", b'{"query": "{ __typename }", "extensions": "x"}', 400),
    ("NaN", b'{"query": "{ __typename }", "variables": {"x": NaN}}', 400),
    ("bad UTF-8", b'{"query": "\xff"}', 400),
    ("too much of it", b'{"query": "' + b" " * 1_000_001 + b'"}', 413),
]


@pytest.mark.parametrize(("why", "body", "status"), MALFORMED)
def test_a_malformed_body_is_refused(api: Api, why: str, body: bytes, status: int) -> None:
    response = api.http.post("/graphql", content=body, headers={"content-type": "application/json"})
    assert response.status_code == status, why
    assert response.json()["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT", why


def test_a_client_that_leaves_in_the_middle_of_its_body_harms_nobody(api: Api) -> None:
    address = (api.http.base_url.host, api.http.base_url.port or 0)
    with socket.create_connection(address) as half:
        half.sendall(
            b"POST /graphql HTTP/1.1\r\nhost: x\r\n"
            b"content-type: application/json\r\ncontent-length: 99\r\n\r\n{"
        )
    assert api.http.get("/healthz").status_code == 200
    assert api.post(SYMBOL).status_code == 200


@pytest.mark.parametrize("content_type", ["text/plain", "application/json; charset=latin-1", ""])
def test_a_body_of_another_type_is_refused(api: Api, content_type: str) -> None:
    body = json.dumps({"query": SYMBOL}).encode()
    response = api.http.post("/graphql", content=body, headers={"content-type": content_type})
    assert response.status_code == 415


def test_other_methods_and_types_are_refused(api: Api) -> None:
    assert api.http.put("/graphql").status_code == 405
    response = api.http.post("/graphql", json={"query": SYMBOL}, headers={"accept": "image/png"})
    assert response.status_code == 406
    response = api.http.get("/graphql", params={"query": SYMBOL, "variables": "{"})
    assert response.status_code == 400


def test_the_server_tells_that_it_is_up_and_ready(api: Api) -> None:
    assert api.http.get("/healthz").json() == {"status": "up"}
    assert api.http.get("/readyz").json() == {"status": "ready"}
