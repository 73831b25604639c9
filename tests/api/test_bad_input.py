"""Whatever comes: no 5xx but 503, nothing unmasked, and the server stays up."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import suppress

import pytest

from graphql_api import request as requests
from tests.api.serving import Api

pytestmark = pytest.mark.parametrize("edition", ["plain"], indirect=True, scope="session")

JSON = {"content-type": "application/json"}
LONG = "x" * 90_000
DEEP = b'{"query": "{ __typename }", "variables": {"x": ' + b"[" * 20_000 + b"]" * 20_000 + b"}}"
HUGE = b"9" * 5_000
DAYS = "query ($x: Int!) { market { candles(range: {lastDays: $x}) { points { open } } } }"

BODIES = [
    ("a batch", b'[{"query": "{ __typename }"}, {"query": "{ __typename }"}]', "one JSON object"),
    ("an empty batch", b"[]", "one JSON object"),
    ("a string", b'"{ __typename }"', "one JSON object"),
    ("nothing", b"", "JSON"),
    ("zeros", b"\0" * 1_000, "JSON"),
    ("UTF-16", '{"query": "{ __typename }"}'.encode("utf-16"), "JSON"),
    ("a byte order mark", b'\xef\xbb\xbf{"query": "{ __typename }"}', "JSON"),
    ("bad UTF-8", b'{"query": "{ market(symbol: \\"\xff\\") { symbol } }"}', "JSON"),
    ("half a surrogate", b'{"query": "{ market(symbol: \\"\\ud800\\") { symbol } }"}', "JSON"),
    ("NaN", b'{"query": "{ __typename }", "variables": {"x": NaN}}', "JSON"),
    ("Infinity", b'{"query": "{ __typename }", "variables": {"x": -Infinity}}', "JSON"),
    ("variables beyond any depth", DEEP, "JSON"),
    ("a form", b"query=%7B__typename%7D", "JSON"),
    ("a document that is only a comment", b'{"query": "# nothing"}', "Syntax Error"),
    ("a document of control characters", b'{"query": "\\u0000\\u0007{"}', "Syntax Error"),
    ("an operation that is not there", b'{"query": "{ __typename }", "operationName": "A"}', "'A'"),
]  # fmt: skip


@pytest.mark.parametrize(("why", "body", "named"), BODIES, ids=[case[0] for case in BODIES])
def test_a_body_that_asks_nothing_is_refused(api: Api, why: str, body: bytes, named: str) -> None:
    response = api.http.post("/graphql", content=body, headers=JSON | {"accept": requests.GRAPHQL_JSON})
    assert response.status_code == 400
    error = response.json()["errors"][0]
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert named in error["message"]


@pytest.mark.parametrize(
    "value",
    [b"1e400", b"1e30", HUGE, b"-" + HUGE, b"0.5", b"1e-9", b'"7"', b"true", b"null", b"[1]", b'{"a": 1}'],
    ids=lambda value: value[:9].decode(),
)
def test_a_number_that_is_no_int_is_refused(api: Api, value: bytes) -> None:
    body = b'{"query": %s, "variables": {"x": %s}}' % (json.dumps(DAYS).encode(), value)
    response = api.http.post("/graphql", content=body, headers=JSON)
    assert response.status_code in {200, 400}
    assert response.json()["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
    assert len(response.content) < 10_000


LONG_VALUES = [
    ("a symbol", f'{{ market(symbol: "{LONG}") {{ symbol }} }}', "MARKET_NOT_FOUND"),
    ("a day", f'{{ market {{ forecast(asOf: "{LONG}") {{ basedOn }} }} }}', "BAD_USER_INPUT"),
    ("a field", f"{{ {LONG} }}", "QUERY_TOO_COMPLEX"),
    ("an argument", f"{{ market({LONG}: 1) {{ symbol }} }}", "BAD_USER_INPUT"),
    ("an alias", f"{{ {LONG}: __typename }}", "QUERY_TOO_COMPLEX"),
    ("a number", f"{{ market {{ price(at: {'9' * 90_000}) {{ at }} }} }}", "BAD_USER_INPUT"),
    ("a comment", f"{{ __typename }} # {LONG}", None),
    ("a block string", f'{{ market(symbol: """{LONG}""") {{ symbol }} }}', "MARKET_NOT_FOUND"),
]


@pytest.mark.parametrize(("what", "query", "code"), LONG_VALUES, ids=[case[0] for case in LONG_VALUES])
def test_an_absurdly_long_value_is_not_told_back(api: Api, what: str, query: str, code: str | None) -> None:
    response = api.post(query)
    assert response.status_code in {200, 400}
    found = [error["extensions"]["code"] for error in response.json().get("errors", [])]
    assert found == ([code] if code else [])
    assert len(response.content) < 10_000


ADDRESSES = [
    ("bad percent signs", "query=%7B__typename%7D&variables=%ZZ", 400),
    ("bad UTF-8", "query=%FF%FE", 400),
    ("no query", "", 400),
    ("the same twice", "query={a}&query=%7B__typename%7D", 200),
    ("variables that are a number", "query=%7B__typename%7D&variables=1", 400),
    ("extensions that are no JSON", "query=%7B__typename%7D&extensions=x", 400),
    ("a null character", "query=%00", 400),
]


@pytest.mark.parametrize(("why", "address", "status"), ADDRESSES, ids=[case[0] for case in ADDRESSES])
def test_an_address_is_read_or_refused(api: Api, why: str, address: str, status: int) -> None:
    response = api.http.get(f"/graphql?{address}", headers={"accept": requests.GRAPHQL_JSON})
    assert response.status_code == status
    assert ("errors" in response.json()) == (status != 200)


QUERY = b'{"query": "{ __typename }"}'
# read whole or refused before their end, as they happen to arrive
BORNE = {200, 400, 431}
HEADERS = [
    ("no host", b"", {200, 400}),
    ("a header of 100 kB", b"host: x\r\nx-long: " + b"y" * 100_000 + b"\r\n", BORNE),
    ("thousands of headers", b"host: x\r\n" + b"a: b\r\n" * 20_000, BORNE),
    ("an accept of thousands of types", b"host: x\r\naccept: " + b"a/b;q=0.1," * 5_000 + b"*/*\r\n", {200}),
    ("weights that are no numbers", b"host: x\r\naccept: */*;q=nan, application/json;q=1e999\r\n", {200}),
    ("two lengths", b"host: x\r\ncontent-length: 1\r\n", {400}),
    ("a length that is none", b"host: x\r\ncontent-length: -1\r\n", {400}),
    ("a header without a colon", b"host: x\r\nnonsense\r\n", {400}),
    ("bytes beyond ASCII", b"host: x\r\nx-odd: \xff\xfe\r\naccept: \xff\r\n", {406}),
    ("a null byte", b"host: x\r\nx-odd: a\0b\r\n", {400}),
]


@pytest.mark.parametrize(("why", "headers", "statuses"), HEADERS, ids=[case[0] for case in HEADERS])
def test_absurd_headers_are_borne(api: Api, why: str, headers: bytes, statuses: set[int]) -> None:
    head = b"POST /graphql HTTP/1.1\r\n%scontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    assert _status(api, head % (headers, len(QUERY)) + QUERY) in statuses
    assert api.http.get("/healthz").status_code == 200


NOT_HTTP = {
    "zeros": b"\0" * 500 + b"\r\n\r\n",
    "no address": b"GET\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n",
    "a line of 200 kB": b"GET /" + b"a" * 200_000,
}


@pytest.mark.parametrize("raw", NOT_HTTP.values(), ids=NOT_HTTP)
def test_what_is_not_http_is_refused(api: Api, raw: bytes) -> None:
    assert _status(api, raw) == 400
    assert api.http.get("/healthz").status_code == 200


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "BODY_SECONDS", 0.5)


HALVES = [
    ("half a body", b"content-length: 99\r\n\r\n{", 408),
    ("no body", b"content-length: 99\r\n\r\n", 408),
    ("half a chunk", b"transfer-encoding: chunked\r\n\r\n20\r\n{", 408),
    ("a chunk that is none", b"transfer-encoding: chunked\r\n\r\nZZ\r\n{", 400),
]


@pytest.mark.parametrize(("why", "rest", "status"), HALVES, ids=[case[0] for case in HALVES])
def test_a_body_that_does_not_come_whole_is_not_waited_for(
    api: Api, hurried: None, why: str, rest: bytes, status: int
) -> None:
    head = b"POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
    assert _status(api, head + rest) == status


def test_a_body_that_drips_is_not_waited_for(api: Api, hurried: None) -> None:
    with _connected(api) as client:
        client.sendall(
            b"POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
            b"content-length: 500000\r\n\r\n"
        )
        client.settimeout(0.02)
        answer = b""
        for _ in range(5_000):  # a byte every 20 ms: the answer comes long before the last
            try:
                client.sendall(b" ")
                answer = client.recv(65536)
                break
            except TimeoutError:
                continue
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"connection: close" in answer.lower()


POST = b"POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
CHUNKED = POST + b"transfer-encoding: chunked\r\n\r\n"
ENDLESS = [
    ("a body", CHUNKED, b"10000\r\n" + b" " * 0x10000 + b"\r\n"),
    ("an address", b"GET /", b"a" * 0x10000),
    ("a header", POST + b"x-long: ", b"a" * 0x10000),
    ("headers", POST, b"x: 1234567890123\r\n" * 0x1000),
    ("a chunk's extensions", CHUNKED + b"10000;", b"a" * 0x10000),
    ("trailers", CHUNKED + b"0\r\n", b"x: 1234567890123\r\n" * 0x1000),
]


@pytest.mark.parametrize(("what", "begin", "more"), ENDLESS, ids=[case[0] for case in ENDLESS])
def test_what_has_no_end_is_cut_off(api: Api, what: str, begin: bytes, more: bytes) -> None:
    """It is sent for as long as the server takes it: what is kept of it is bounded."""
    with _connected(api) as client:
        client.settimeout(60)
        client.sendall(begin)
        sent = 0
        with suppress(BrokenPipeError, ConnectionResetError):
            while sent < 1_000_000_000:
                client.sendall(more)
                sent += len(more)
    assert sent < 50_000_000
    assert api.http.get("/healthz").status_code == 200


def test_many_that_leave_in_the_middle_harm_nobody(api: Api) -> None:
    for _ in range(100):
        with _connected(api) as client:
            client.sendall(b"POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n{")
    assert api.ask("{ __typename }") == {"__typename": "Query"}


def _connected(api: Api) -> socket.socket:
    address = (api.http.base_url.host, api.http.base_url.port or 0)
    return socket.create_connection(address, timeout=60)


def _status(api: Api, raw: bytes) -> int:
    """Return the status of what answers these bytes."""
    with _connected(api) as client:
        answer = b"".join(_received(client, raw))
    return int(answer.split(b" ", 2)[1])


def _received(client: socket.socket, raw: bytes) -> Iterator[bytes]:
    with suppress(BrokenPipeError, ConnectionResetError):  # refused before all of it was sent
        client.sendall(raw)
    answer = b""
    while b"\r\n\r\n" not in answer:
        found = client.recv(65536)
        if not found:
            return
        answer += found
        yield found
