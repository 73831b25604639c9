"""Who may ask what, and how much of it: keys, scopes and rate limits over real HTTP."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace

import httpx
import psycopg
import pytest

from btcql.access import SCOPES
from btcql.errors import SettingError
from database.connection import connected
from database.keys import create_key, read_keys, revoke_key
from graphql_api import auth
from graphql_api.limiter import Limiter
from tests.api.markets import load, numbered
from tests.api.serving import UNLIMITED, Api, serving
from tests.api.sockets import DAYS, opened
from tests.conftest import Database, fresh_database

pytestmark = pytest.mark.parametrize("edition", ["plain"], indirect=True, scope="session")

SYMBOL = '{ market(symbol: "DAY-USD") { symbol } }'
KEYS_ONLY = replace(UNLIMITED, anonymous_scopes_text="")


@pytest.fixture(scope="module")
def loaded(server_url: str, edition: str) -> Iterator[Database]:
    with fresh_database(server_url, edition) as database:
        load(database.url, "DAY-USD", numbered("2023-12-01", 30), "bitstamp")
        yield database


def make(database: Database, name: str = "charts", scopes: str = "prices", rate: int | None = None) -> str:
    """Return a new key's text; one of the same name that another test made is revoked."""
    with connected(database.url) as connection:
        with suppress(SettingError):
            revoke_key(connection, name)
        return create_key(connection, name, scopes.split(","), rate)[1]


def ask(api: Api, query: str = SYMBOL, **headers: str) -> httpx.Response:
    return api.http.post("/graphql", json={"query": query}, headers=headers)


def code(response: httpx.Response) -> str:
    (error,) = response.json()["errors"]
    found: str = error["extensions"]["code"]
    return found


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


def test_a_key_comes_in_either_header_and_is_needed_where_nobody_else_may_ask(loaded: Database) -> None:
    key = make(loaded)
    with serving(loaded.url, settings=KEYS_ONLY) as api:
        for headers in (bearer(key), {"authorization": f"bearer  {key}"}, {"x-api-key": key}):
            assert ask(api, **headers).status_code == 200
        for why, headers in {
            "no key": {},
            "another scheme": {"authorization": "Basic eDp5"},
            "a key of no form": bearer("secret"),
            "a key that nobody has": bearer(key[:-4] + "AAAA"),
            "two keys": {**bearer(key), "x-api-key": key[:-4] + "AAAA"},
        }.items():
            for path in ("/graphql", "/export/candles.csv?last=WEEK", "/metrics"):
                post = path == "/graphql"
                refused = ask(api, **headers) if post else api.http.get(path, headers=headers)
                assert (refused.status_code, code(refused)) == (401, "UNAUTHENTICATED"), (why, path)
                assert refused.headers["www-authenticate"] == 'Bearer realm="btcql"'
        assert api.http.get("/healthz").status_code == 200
        assert api.http.get("/readyz").status_code == 200


def test_a_wrong_key_is_refused_even_where_everybody_may_ask(loaded: Database) -> None:
    with serving(loaded.url) as api:
        assert ask(api).status_code == 200
        assert code(ask(api, **{"x-api-key": "wrong"})) == "UNAUTHENTICATED"


def test_a_revoked_key_stops_working_within_seconds_and_its_last_use_is_kept(loaded: Database) -> None:
    key = make(loaded)
    with serving(loaded.url, settings=KEYS_ONLY) as api:
        assert ask(api, **bearer(key)).status_code == 200
        with connected(loaded.url) as connection:
            revoke_key(connection, "charts")
        revoked_at = time.monotonic()
        while ask(api, **bearer(key)).status_code == 200:
            assert time.monotonic() - revoked_at < 60
            time.sleep(0.05)
    with connected(loaded.url) as connection:
        kept = read_keys(connection)[-1]
    assert kept.last_used_at is not None
    assert abs((kept.last_used_at - kept.created_at).total_seconds()) < 60


def test_a_revoked_key_loses_its_open_subscriptions_and_no_other_does(loaded: Database) -> None:
    keys = [make(loaded, name, "prices,subscriptions") for name in ("going", "staying")]
    with serving(loaded.url, settings=KEYS_ONLY) as api, ExitStack() as stack:
        going, staying = (stack.enter_context(opened(api, {})) for _ in keys)
        for socket, key in zip((going, staying), keys, strict=True):
            socket.send("connection_init", payload={"apiKey": key})
            assert socket.receive() == {"type": "connection_ack"}
            socket.subscribe(DAYS % "")
        assert going.is_silent()
        with connected(loaded.url) as connection:
            revoke_key(connection, "going")
        assert going.end() == 4403
        assert going.connection.close_reason == "the API key is none of this server's, or it was revoked"
        assert staying.is_silent()


@pytest.mark.parametrize("scope", ["prices", "forecasts", "pipeline"])
def test_what_is_beyond_a_keys_scopes_is_forbidden_and_named(loaded: Database, scope: str) -> None:
    query = {
        "prices": 'query Q { market(symbol: "DAY-USD") { ...F } } fragment F on Market { price { value } }',
        "forecasts": '{ market(symbol: "DAY-USD") { ... on Market { forecast { basedOn } } } }',
        "pipeline": "{ p: pipeline @include(if: true) { state } }",
    }[scope]
    with_it = make(loaded, "with", scope)
    without = make(loaded, "without", ",".join(set(SCOPES) - {scope}))
    with serving(loaded.url, settings=KEYS_ONLY) as api:
        forbidden = ask(api, query, **bearer(without))
        assert forbidden.status_code == 403
        (error,) = forbidden.json()["errors"]
        assert error["extensions"] == {"code": "FORBIDDEN", "scopes": [scope]}
        assert f"needs the scope '{scope}', which without has not" in error["message"]
        allowed = ask(api, query, **bearer(with_it))
        assert allowed.status_code == 200
        assert (
            code(allowed) == "FORECAST_UNAVAILABLE"
            if scope == "forecasts"
            else "errors" not in allowed.json()
        )
        assert "errors" not in ask(api, **bearer(without)).json(), "which markets there are is no secret"


def test_exports_and_metrics_have_scopes_too(loaded: Database) -> None:
    candles = "/export/candles.csv?symbol=DAY-USD&last=WEEK"
    key = make(loaded, "files", "export,prices")
    limited = replace(UNLIMITED, anonymous_scopes_text="prices")
    with serving(loaded.url, settings=limited) as api:
        for path, scopes in ((candles, ["export"]), ("/metrics", ["pipeline"])):
            refused = api.http.get(path)
            assert refused.status_code == 403
            assert refused.json()["errors"][0]["extensions"] == {"code": "FORBIDDEN", "scopes": scopes}
        assert api.http.get(candles, headers=bearer(key)).status_code == 200


def test_a_sockets_key_comes_in_its_first_message_and_needs_the_scope_to_subscribe(loaded: Database) -> None:
    query = DAYS % ', after: "2023-12-29T00:00:00Z"'
    with serving(loaded.url, settings=KEYS_ONLY) as api:
        for scopes, allowed in (("prices,subscriptions", True), ("prices", False), ("subscriptions", False)):
            with opened(api, {}) as socket:
                socket.send("connection_init", payload={"apiKey": make(loaded, "socket", scopes)})
                assert socket.receive() == {"type": "connection_ack"}
                socket.subscribe(query)
                if allowed:
                    assert socket.bar() == ("2023-12-30", 30.0)
                else:
                    assert socket.error("1") == "FORBIDDEN"


@pytest.fixture
def still(monkeypatch: pytest.MonkeyPatch) -> None:
    """No bucket fills again while the test runs, however slow the machine."""
    monkeypatch.setattr(auth, "Limiter", lambda: Limiter(lambda: 0.0))


def test_costs_are_charged_and_what_is_too_much_has_to_wait(loaded: Database, still: None) -> None:
    key = make(loaded, "slow", "prices,export", 10)
    with serving(loaded.url, settings=replace(UNLIMITED, anonymous_rate_text="6")) as api:
        answers = [ask(api) for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
        assert {answer.headers["ratelimit-policy"] for answer in answers} == {'"anonymous";q=6;w=60'}
        assert [answer.headers["ratelimit"].split(";t=")[0] for answer in answers] == [
            f'"anonymous";r={left}'
            for left in (4, 2, 0, 0)  # a field and its own field each time
        ]
        (error,) = answers[-1].json()["errors"]
        wait = error["extensions"]["retryAfter"]
        assert (error["extensions"]["code"], answers[-1].headers["retry-after"]) == (
            "RATE_LIMITED",
            str(wait),
        )
        assert answers[-1].headers["ratelimit"].endswith(f";t={wait}")
        assert wait == 10

        export = "/export/candles.csv?symbol=DAY-USD&lastDays=30"
        dear, after = (api.http.get(export, headers=bearer(key)) for _ in range(2))
        assert dear.status_code == 200, "what costs more than a whole bucket is taken from a full one"
        assert dear.headers["ratelimit-policy"] == '"key";q=10;w=60'
        assert after.status_code == 429
        assert after.headers["retry-after"] == "126", "20 units of debt and one more, at 10 a minute"


def test_a_strangers_keys_are_looked_up_only_so_often(loaded: Database, still: None) -> None:
    with serving(loaded.url) as api:
        codes = [code(ask(api, **bearer(f"btcql_0123abcd_{number:043}"))) for number in range(61)]
        assert codes == ["UNAUTHENTICATED"] * 60 + ["RATE_LIMITED"]
        assert ask(api).status_code == 200


@contextmanager
def answering(database: Database, **settings: str) -> Iterator[Api]:
    with serving(database.url, settings=replace(UNLIMITED, **settings)) as api:
        yield api


def test_clients_behind_a_trusted_proxy_have_limits_of_their_own(loaded: Database, still: None) -> None:
    rate = {"anonymous_rate_text": "1"}

    def statuses(api: Api, *forwarded: str) -> list[int]:
        return [ask(api, **{"x-forwarded-for": value}).status_code for value in forwarded]

    with answering(loaded, **rate) as api:
        assert statuses(api, "192.0.2.1", "192.0.2.2") == [200, 429], "anybody can write that header"
    with answering(loaded, trusted_proxies_text="127.0.0.0/8, 10.0.0.1", **rate) as api:
        assert statuses(api, "192.0.2.1", "192.0.2.2", "6.6.6.6, 192.0.2.1") == [200, 200, 429]
        assert statuses(api, "192.0.2.3, 10.0.0.1", "192.0.2.3") == [200, 429]
        assert statuses(api, "2001:db8::1", "2001:db8::ffff:1", "2001:db8:0:1::1") == [200, 429, 200]


def test_any_page_may_ask_unless_the_operator_names_those_that_may(loaded: Database) -> None:
    preflight = {"access-control-request-method": "POST", "access-control-request-headers": "authorization"}
    with answering(loaded) as api:
        answer = ask(api, origin="https://a.example")
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in answer.headers
        assert "retry-after" in answer.headers["access-control-expose-headers"]
        asked = api.http.options("/graphql", headers={"origin": "https://a.example", **preflight})
        assert (asked.status_code, asked.headers["access-control-allow-origin"]) == (200, "*")
        assert "authorization" in asked.headers["access-control-allow-headers"]
    with answering(loaded, origins_text="https://a.example") as api:
        assert (
            ask(api, origin="https://a.example").headers["access-control-allow-origin"] == "https://a.example"
        )
        other = ask(api, origin="https://b.example")
        assert "access-control-allow-origin" not in other.headers
        assert "origin" in other.headers["vary"].lower()


def test_every_answer_has_the_headers_that_keep_browsers_safe(loaded: Database) -> None:
    paths = ("/graphql", "/healthz", "/metrics", "/nowhere", "/export/candles.csv")
    with serving(loaded.url) as api:
        answers = [(path, api.http.get(path).headers) for path in paths]
    for path, headers in answers:
        assert headers.get_list("x-content-type-options") == ["nosniff"], path
        assert headers["referrer-policy"] == "no-referrer", path
        assert "default-src 'none'" in headers["content-security-policy"], path
        assert "frame-ancestors 'none'" in headers["content-security-policy"], path
        assert re.fullmatch(r"[0-9a-f]{32}", headers["x-request-id"]), path


def test_introspection_and_the_playground_can_be_switched_off(loaded: Database) -> None:
    schema, browser = "{ __schema { queryType { name } } }", {"accept": "text/html"}
    with answering(loaded) as api:
        assert ask(api, schema).status_code == 200
        assert "Did you mean" in ask(api, "{ markets { symbo } }").text
        assert api.http.get("/graphql", headers=browser).headers["content-type"].startswith("text/html")
    with answering(loaded, introspection_text="off", playground_text="off") as api:
        assert "introspection has been disabled" in ask(api, schema).text
        assert "Did you mean" not in ask(api, "{ markets { symbo } }").text
        assert ask(api, "{ __typename }").json() == {"data": {"__typename": "Query"}}
        assert api.http.get("/graphql", headers=browser).status_code == 406
        assert api.http.get("/", headers=browser).headers["content-type"].startswith("text/html")


def test_a_known_key_works_on_without_the_database_and_an_unknown_one_is_not_refused_for_good(
    loaded: Database,
) -> None:
    key, other = make(loaded), make(loaded, "other")
    introspection = "{ __typename }"
    with serving(loaded.url, settings=KEYS_ONLY) as api, psycopg.connect(loaded.url) as writer:
        assert ask(api, introspection, **bearer(key)).status_code == 200
        writer.execute("ALTER TABLE api_key RENAME TO away")
        writer.commit()
        time.sleep(1.1)  # so that what is known is asked for again
        assert ask(api, introspection, **bearer(key)).status_code == 200
        refused = ask(api, introspection, **bearer(other))
        assert (refused.status_code, code(refused)) == (503, "DATABASE_UNAVAILABLE")
        assert refused.headers["retry-after"] == "5"
        writer.execute("ALTER TABLE away RENAME TO api_key")
        writer.commit()
        assert ask(api, introspection, **bearer(other)).status_code == 200
