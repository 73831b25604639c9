"""Whom a request is from, when proxies stand before the server."""

from __future__ import annotations

import tracemalloc
from ipaddress import ip_network

import pytest

from btcql.access import SCOPES, Access, Network
from database.pool import Pool
from graphql_api.addresses import client_address, limited_as
from graphql_api.auth import Gate, Shown
from graphql_api.keyring import KeyRing
from graphql_api.limiter import Limiter

PROXIES = (ip_network("10.0.0.0/8"), ip_network("::1"))


@pytest.mark.parametrize(
    ("why", "peer", "forwarded", "client"),
    [
        ("nobody in between", "192.0.2.1", [], "192.0.2.1"),
        ("a stranger's claim", "192.0.2.1", ["198.51.100.9"], "192.0.2.1"),
        ("a proxy's word", "10.0.0.1", ["198.51.100.9"], "198.51.100.9"),
        ("what stands left of it is made up", "10.0.0.1", ["1.1.1.1, 198.51.100.9"], "198.51.100.9"),
        ("two proxies", "10.0.0.1", ["1.1.1.1, 198.51.100.9, 10.9.9.9"], "198.51.100.9"),
        ("two headers", "10.0.0.1", ["198.51.100.9", "10.9.9.9"], "198.51.100.9"),
        ("a proxy that says nothing", "10.0.0.1", [], "10.0.0.1"),
        ("all of them proxies", "10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ("no address", "10.0.0.1", ["198.51.100.9, unknown"], "10.0.0.1"),
        ("with a port", "10.0.0.1", ["198.51.100.9:4711"], "198.51.100.9"),
        ("IPv6 with a port", "::1", ["[2001:DB8:0::9]:4711"], "2001:db8::9"),
        ("IPv4 in IPv6", "::ffff:10.0.0.1", ["198.51.100.9"], "198.51.100.9"),
        ("a Unix socket", None, ["198.51.100.9"], "unknown"),
    ],
)
def test_only_a_trusted_proxys_word_is_taken(
    why: str, peer: str | None, forwarded: list[str], client: str
) -> None:
    assert client_address(peer, forwarded, PROXIES) == client, why


@pytest.mark.parametrize("proxies", [(), PROXIES], ids=["no proxies", "a proxy"])
def test_what_strangers_write_is_not_kept(proxies: tuple[Network, ...]) -> None:
    access = Access(frozenset(SCOPES), 100, proxies, ())
    pool = Pool("postgresql://nowhere")  # which is not asked: nobody shows a key
    gate = Gate(access, KeyRing(pool, pool))
    tracemalloc.start()
    try:
        for number in range(1_000):
            client = gate.recall(Shown(forwarded=(f"{number:010}" * 1_000,)), "10.0.0.1")
            assert client is not None
            assert client.bucket == "address 10.0.0.1"
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 1_000_000


def test_an_ipv6_customers_network_is_one_client() -> None:
    assert limited_as("2001:db8:1:2:3:4:5:6") == limited_as("2001:db8:1:2::1") == "2001:db8:1:2::/64"
    assert limited_as("2001:db8:1:3::1") != limited_as("2001:db8:1:2::1")
    assert [limited_as(address) for address in ("192.0.2.1", "unknown")] == ["192.0.2.1", "unknown"]


def test_a_bucket_fills_again_owes_what_was_dearer_than_it_and_is_forgotten_among_too_many() -> None:
    now = [0.0]
    limiter = Limiter(lambda: now[0], most=2)
    assert limiter.take("a", 60, 60).allowed
    assert limiter.take("a", 60, 1).wait == 1
    now[0] = 30.0
    assert limiter.take("a", 60, 0).remaining == 30
    assert limiter.take("a", 60, 31).wait == 1
    assert limiter.take("a", 60, 100).wait == 30, "a full bucket is enough for it"
    now[0] = 60.0
    owing = limiter.take("a", 60, 100)
    assert (owing.allowed, owing.remaining, owing.full_in) == (True, 0, 100)
    assert limiter.take("a", 60, 1).wait == 41
    assert limiter.take("b", 60, 60).allowed
    assert limiter.take("c", 60, 60).allowed
    assert limiter.take("a", 60, 60).allowed, "forgotten, as it was used longest ago"


def test_what_was_paid_in_advance_counts() -> None:
    limiter = Limiter(lambda: 0.0)
    assert limiter.take("a", 10, 1).remaining == 9
    assert limiter.take("a", 10, 25, paid=1).allowed
    assert limiter.take("b", 10, 1).allowed
    assert limiter.take("b", 10, 1, paid=1).remaining == 9
