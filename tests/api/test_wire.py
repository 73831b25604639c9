"""A request whose every byte came before is answered without being parsed, as one that is parsed would be."""

from __future__ import annotations

import asyncio
import json
import re
import threading
import time
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from itertools import pairwise
from typing import Any

import psycopg
import pytest

from btcql.settings import Settings
from database.connection import connected
from database.keys import create_key, revoke_key
from database.pool import Pool
from graphql_api import app, auth, limiter
from graphql_api.endpoint import Endpoint
from graphql_api.exchange import Exchange
from graphql_api.http import Http
from graphql_api.logs import JsonLines
from graphql_api.wire import Wire
from tests.api.lines import CLOSES, Line, line, request
from tests.api.markets import load, numbered
from tests.api.serving import UNLIMITED, Clock, listens, serving, wait_for
from tests.api.test_cache import change, tamper
from tests.api.test_deadline import held
from tests.api.test_observability import Log
from tests.conftest import Database

UNCACHED = replace(UNLIMITED, cache_text="0")
CASES = pytest.mark.parametrize("settings", [UNLIMITED, UNCACHED], ids=["cached", "uncached"])
NOW = datetime(2024, 1, 11, 12, tzinfo=UTC)


class Parsed:
    """How many requests were parsed; and how many the endpoint answered anew though they were not."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        parse = Http.on_headers_complete

        def counted(connection: Http) -> None:
            self.count += 1
            parse(connection)

        monkeypatch.setattr(Http, "on_headers_complete", counted)

    def is_known(self, client: Line, data: bytes) -> bool:
        """Ask, and return whether the request was answered without being parsed."""
        before = self.count
        assert client.ask(data).status == 200
        return self.count == before

    def wait_until_known(self, client: Line, data: bytes) -> None:
        wait_for(lambda: self.is_known(client, data))


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> Parsed:
    return Parsed(monkeypatch)


@pytest.fixture
def days(plain: Database) -> Database:
    load(plain.url, "DAY-USD", numbered("2023-12-01", 30), "bitstamp")
    return plain


@CASES
@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_the_same_bytes_get_the_same_answer_unparsed(
    days: Database, parsed: Parsed, settings: Settings, encoding: str
) -> None:
    fields = "start open high low close volume"
    long = CLOSES.replace("lastDays: 2", "lastDays: 29").replace("close }", fields + " }")
    data = request(long, f"accept-encoding: {encoding}")
    with serving(days.url, settings=settings) as api, line(api) as client:
        listens(api)
        first = client.ask(data)
        parsed.wait_until_known(client, data)
        before = parsed.count
        again = [client.ask(data) for _ in range(3)]
        with line(api) as another:
            again.append(another.ask(data))
        assert parsed.count == before
        assert {answer.body for answer in again} == {first.body}
        assert {tuple(answer.lasting) for answer in again} == {tuple(first.lasting)}
        assert first.body.startswith(b"\x1f\x8b") == (encoding == "gzip")
        assert len({answer.header("x-request-id") for answer in again}) == len(again)
        assert all(answer.header("date") for answer in again)


@CASES
def test_an_unparsed_request_is_counted_and_logged_as_any(
    days: Database, parsed: Parsed, settings: Settings
) -> None:
    data = request()
    figure = r'btcql_request_duration_seconds_count{operation="Closes"} (\S+)'
    with Log(JsonLines()) as log, serving(days.url, settings=settings) as api, line(api) as client:
        listens(api)
        parsed.wait_until_known(client, data)

        def counted() -> float:
            match = re.search(figure, api.http.get("/metrics").text)
            assert match is not None
            return float(match[1])

        before, lines = counted(), len(log.lines)
        answer = client.ask(data)
        assert counted() == before + 1
        (told,) = [entry for entry in log.lines[lines:] if entry.get("operation") == "Closes"]
        (parsed_line, *_) = [entry for entry in log.lines if entry.get("operation") == "Closes"]
        assert told.keys() == parsed_line.keys()
        assert told["requestId"] == answer.header("x-request-id")
        assert told["bytes"] == len(answer.body)
        assert told["cache"] == ("hit" if settings is UNLIMITED else None)
        assert {
            told[name] == parsed_line[name] for name in ("path", "method", "status", "cost", "client")
        } == {True}


def test_ids_traces_and_origins_are_always_parsed(days: Database, parsed: Parsed) -> None:
    with serving(days.url) as api, line(api) as client:
        listens(api)
        parsed.wait_until_known(client, request())
        trace = f"00-{'a' * 32}-{'b' * 16}-01"
        for header in ("x-request-id: mine", f"traceparent: {trace}", "origin: https://a.example"):
            assert not any(parsed.is_known(client, request(CLOSES, header)) for _ in range(4)), header
        assert client.ask(request(CLOSES, "x-request-id: mine")).header("x-request-id") == "mine"
        assert client.ask(request(CLOSES, "origin: https://a.example")).header("access-control-allow-origin")


@CASES
def test_known_bytes_are_known_only_between_two_requests(
    days: Database, parsed: Parsed, settings: Settings
) -> None:
    data = request()
    with serving(days.url, settings=settings) as api:
        listens(api)
        with line(api) as client:
            parsed.wait_until_known(client, data)
            good = client.ask(data)
            # in two pieces
            client.send(data[:40])
            assert client.ask(data[40:]).body == good.body
            # as the body of another request: it is no JSON
            wrapped = request(body=data)
            client.send(wrapped[: -len(data)])
            refused = client.ask(data)
            assert refused.status == 400
            assert b"JSON" in refused.body
            # several at once, each followed by a known one before it is answered
            client.send(data + data)
            client.send(data)
            client.send(data)
            assert [client.receive().body for _ in range(4)] == [good.body] * 4
            assert client.ask(data).body == good.body
        with line(api) as client:  # within a header
            client.send(b"POST /graphql HTTP/1.1\r\nx-begun: ")
            before = parsed.count
            assert client.ask(data).body == good.body
            assert parsed.count == before + 1


@CASES
def test_a_connection_that_is_to_be_closed_is_closed(
    days: Database, parsed: Parsed, settings: Settings
) -> None:
    with serving(days.url, settings=settings) as api:
        listens(api)
        for _ in range(4):
            for last in (
                request(CLOSES, "connection: close"),
                request().replace(b"HTTP/1.1", b"HTTP/1.0", 1),
            ):
                with line(api) as client:
                    assert client.ask(last).closes() == [29, 30]
                    assert client.is_closed()


@CASES
def test_a_connection_is_kept_for_as_long_after_its_last_answer_as_after_any(
    days: Database, parsed: Parsed, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin, data = Http.connection_made, request()

    def begin_impatiently(connection: Http, transport: asyncio.Transport) -> None:
        begin(connection, transport)
        connection.timeout_keep_alive = 1

    monkeypatch.setattr(Http, "connection_made", begin_impatiently)
    with serving(days.url, settings=settings) as api:
        listens(api)
        with line(api) as client:
            parsed.wait_until_known(client, data)
        with line(api) as client:
            for _ in range(4):
                assert client.ask(data).closes() == [29, 30]
                time.sleep(0.5)
            client.ask(data)
            began = time.monotonic()
            assert client.is_closed()
            assert 0.9 < time.monotonic() - began < 30


def test_what_stands_no_longer_is_not_answered_with(days: Database, parsed: Parsed) -> None:
    clock, data = Clock(NOW), request()
    with serving(days.url, clock) as api, line(api) as client:
        listens(api)
        parsed.wait_until_known(client, data)
        tamper(days.url, 500)
        assert client.ask(data).closes() == [29, 30], "the same version"
        change(days.url)
        wait_for(lambda: client.ask(data).closes() == [500, 500])
        clock.pass_by(days=1)
        assert not parsed.is_known(client, data), "another day, of which it was not admitted"


def test_without_a_kept_answer_it_is_answered_anew(days: Database, parsed: Parsed) -> None:
    with serving(days.url, settings=UNCACHED) as api, line(api) as client:
        data, wrong = request(), request('{ market(symbol: "NO-USD") { symbol } }')
        for asked in (data, wrong):
            parsed.wait_until_known(client, asked)
        tamper(days.url, 500)
        before = parsed.count
        assert client.ask(data).closes() == [500, 500]
        assert b"MARKET_NOT_FOUND" in client.ask(wrong).body
        assert parsed.count == before


@CASES
def test_an_unparsed_request_costs_what_it_cost_and_is_refused_as_any(
    days: Database, parsed: Parsed, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auth, "Limiter", lambda: limiter.Limiter(lambda: 0.0))
    with serving(days.url, settings=replace(settings, anonymous_rate_text="300")) as api:
        if settings is UNLIMITED:
            listens(api)
        with line(api) as client:
            answers = [client.ask(request())]
            while answers[-1].status == 200:
                answers.append(client.ask(request()))
        left = [int(re.findall(r";r=(\d+)", answer.header("ratelimit"))[0]) for answer in answers]
        assert len({one - other for one, other in pairwise(left[:-1])}) == 1
        assert len(answers) > 6
        assert parsed.count < len(answers)
        assert (answers[-1].status, answers[-1].header("ratelimit-policy")) == (429, '"anonymous";q=300;w=60')
        assert b"RATE_LIMITED" in answers[-1].body
        assert int(answers[-1].header("retry-after")) > 0


def test_a_key_in_the_bytes_counts_as_long_as_it_stands(days: Database, parsed: Parsed) -> None:
    with connected(days.url) as connection:
        key = create_key(connection, "wired", ["prices"], 100_000)[1]
    only_keys = replace(UNLIMITED, anonymous_scopes_text="")
    data = request(CLOSES, f"authorization: Bearer {key}")
    with serving(days.url, settings=only_keys) as api, line(api) as client:
        parsed.wait_until_known(client, data)
        assert client.ask(data).header("ratelimit-policy") == '"key";q=100000;w=60'
        assert client.ask(request()).status == 401
        assert client.ask(request(CLOSES, f"authorization: Bearer {key[:-4]}AAAA")).status == 401
        with connected(days.url) as connection:
            revoke_key(connection, "wired")
        wait_for(lambda: client.ask(data).status == 401)


def test_who_is_forwarded_for_has_a_limit_of_their_own(days: Database, parsed: Parsed) -> None:
    settings = replace(UNLIMITED, anonymous_rate_text="300", trusted_proxies_text="127.0.0.0/8")
    with serving(days.url, settings=settings) as api, line(api) as client:
        one, other = (request("{ __typename }", f"x-forwarded-for: 192.0.2.{number}") for number in (1, 2))
        parsed.wait_until_known(client, one)
        while client.ask(one).status == 200:
            pass
        assert client.ask(other).status == 200


def test_a_client_that_leaves_takes_its_queries_with_it(
    days: Database, parsed: Parsed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "Pool", partial(Pool, statement_seconds=120))
    data = request('{ market(symbol: "DAY-USD") { symbol } }')
    with serving(days.url, settings=UNCACHED) as api:
        with line(api) as client:
            parsed.wait_until_known(client, data)
        with held(days.url) as holding:
            before = parsed.count
            with line(api) as client:
                client.send(data)
                wait_for(lambda: holding.running() == 1)
            wait_for(lambda: holding.running() == 0)
            assert parsed.count == before
            with line(api) as client:  # who waits is answered, and so is what came behind
                client.send(data)
                wait_for(lambda: holding.running() == 1)
                client.send(data)
                holding.release()
                assert [client.receive().status for _ in range(2)] == [200, 200]


def test_a_server_that_ends_answers_first_and_says_that_it_closes(
    days: Database, parsed: Parsed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "Pool", partial(Pool, statement_seconds=120))
    data = request('{ market(symbol: "DAY-USD") { symbol } }')
    with ExitStack() as outer:
        with serving(days.url, settings=UNCACHED) as api:
            client = outer.enter_context(line(api))
            parsed.wait_until_known(client, data)
            holding = outer.enter_context(held(days.url))
            client.send(data)
            wait_for(lambda: holding.running() == 1)
            release = threading.Timer(0.5, holding.release)
            release.start()
        release.join()
        answer = client.receive()
        assert (answer.status, answer.header("connection")) == (200, "close")
        assert client.is_closed()


def test_what_nobody_foresaw_is_masked(
    days: Database, parsed: Parsed, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: Any) -> None:
        raise ZeroDivisionError("a secret")

    data = request()
    with Log(JsonLines()) as log, serving(days.url, settings=UNCACHED) as api, line(api) as client:
        parsed.wait_until_known(client, data)
        monkeypatch.setattr(Endpoint, "again", fail)
        answer = client.ask(data)
        assert answer.status == 500
        (error,) = json.loads(answer.body)["errors"]
        assert error["extensions"]["code"] == "INTERNAL"
        assert b"secret" not in answer.body
        told = error["extensions"]["errorId"]
        wait_for(lambda: told in log.lines[-1].get("errorIds", ()))  # when the answer is on its way
        monkeypatch.undo()
        assert client.ask(data).status == 200


def test_a_connection_whose_answer_fails_beyond_all_masks_is_closed(
    days: Database, parsed: Parsed, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise ZeroDivisionError

    data = request()
    with serving(days.url, settings=UNCACHED) as api:
        with line(api) as client:
            parsed.wait_until_known(client, data)
            monkeypatch.setattr(Wire, "_end", fail)
            client.send(data)
            assert client.is_closed()
        monkeypatch.undo()
        with line(api) as client:
            assert client.ask(data).status == 200


def test_a_report_that_fails_is_its_requests_own(
    days: Database, parsed: Parsed, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, told = request(), list[str]()

    def fail_once(seen: Exchange, *_: Any) -> None:
        told.append(seen.request_id)
        if len(told) == failing:
            raise ZeroDivisionError

    failing = -1
    monkeypatch.setattr(app, "log_request", fail_once)
    with Log(JsonLines()) as log, serving(days.url) as api, line(api) as client:
        listens(api)
        parsed.wait_until_known(client, data)
        failing = len(told) + 1
        asked = [client.ask(data).header("x-request-id") for _ in range(3)]
        wait_for(lambda: told[-3:] == asked)
        assert [entry["exception"].splitlines()[-1] for entry in log.lines if "exception" in entry] == [
            "ZeroDivisionError"
        ]


@CASES
def test_what_stands_before_a_known_request_does_not_add_up(
    days: Database, parsed: Parsed, settings: Settings
) -> None:
    data, empty = request(), b"\r\n" * 8_000
    with serving(days.url, settings=settings) as api, line(api) as client:
        listens(api)
        parsed.wait_until_known(client, data)
        for _ in range(6):
            client.send(empty)
            time.sleep(0.05)  # a packet of its own
            assert client.ask(data).status == 200


@CASES
def test_encodings_may_come_in_several_headers(days: Database, parsed: Parsed, settings: Settings) -> None:
    long = CLOSES.replace("lastDays: 2", "lastDays: 29").replace("close }", "start open high low close }")
    refusing = request(long, "accept-encoding: gzip;q=0", "accept-encoding: *")
    with serving(days.url, settings=settings) as api, line(api) as client:
        listens(api)
        answers = [client.ask(refusing)]
        parsed.wait_until_known(client, refusing)
        answers += [client.ask(refusing) for _ in range(3)]
        assert {answer.body for answer in answers} == {answers[0].body}
        assert answers[0].body.startswith(b"{")


def test_a_database_that_is_gone_is_said_to_be(days: Database, parsed: Parsed) -> None:
    data = request()
    with serving(days.url, settings=UNCACHED) as api, line(api) as client:
        parsed.wait_until_known(client, data)
        with psycopg.connect(days.url, autocommit=True) as connection:
            connection.execute("ALTER VIEW candle_1d RENAME TO gone")
        answer = client.ask(data)
        assert (answer.status, answer.header("retry-after")) == (503, "5")
