"""`btcql keys`, as a person and a script use it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator

import pytest

from tests.cli.conftest import Command

IN_USE = (
    "SELECT name, prefix, encode(sha256, 'hex'), scopes, rate FROM api_key WHERE revoked_at IS NULL"
    " ORDER BY name"
)


@pytest.fixture
def btcql(plain_btcql: Command) -> Iterator[Command]:
    """The command beside its database, which it need not start and stop each time."""
    plain_btcql.succeed("db", "start")
    yield plain_btcql
    plain_btcql.succeed("db", "stop")


def test_a_key_is_shown_once_kept_as_a_hash_listed_and_revoked(btcql: Command) -> None:
    created = btcql.run("keys", "create", "--name", "charts", "--scopes", "prices, export", "--rate", "500")
    secret = created.stdout.removesuffix("\n")
    assert re.fullmatch(r"btcql_[0-9a-f]{8}_[\w-]{43}", secret), "alone on stdout, so that it can be piped"
    prefix = secret[:14]
    assert secret not in created.stderr
    assert btcql.rows(IN_USE) == [
        ("charts", prefix, hashlib.sha256(secret.encode()).hexdigest(), ["export", "prices"], 500)
    ]
    listed = btcql.succeed("keys", "list")
    assert listed.split()[:4] == [prefix, "charts", "export,prices", "500"]
    assert secret[14:] not in listed
    revoked = btcql.succeed("keys", "revoke", "charts")
    assert revoked.startswith(listed.rstrip())
    assert "REVOKED" in revoked


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--scopes", "price", "--scopes: 'price' is not a scope; the scopes are prices,"),
        ("--scopes", ",", "--scopes: a key without any can do nothing"),
        ("--rate", "0", "--rate: '0' is not a rate: give the cost"),
    ],
)
def test_what_no_key_can_have_is_named_before_the_database_is_asked(
    plain_btcql: Command, option: str, value: str, said: str
) -> None:
    assert said in plain_btcql.fail("keys", "create", "--name", "x", option, value)
    assert not plain_btcql.settings.home.exists()
