"""A local exchange at a fixed time, and btcql's client of it that never really waits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest

from etl.sources.client import Client
from etl.sources.exchange import Exchange
from etl.sources.patience import Patience
from etl.sources.venue import VENUES
from tests.exchange.server import Exchanges, exchanges

NOW = datetime(2024, 3, 10, 5, 30, tzinfo=UTC)
Connect = Callable[..., Exchange]


@pytest.fixture
def served() -> Iterator[Exchanges]:
    with exchanges(NOW) as running:
        yield running


@pytest.fixture
def waits() -> list[float]:
    """How long the client would have waited, in seconds, one by one."""
    return []


@pytest.fixture
def connect(served: Exchanges, waits: list[float]) -> Connect:
    """Connect to an exchange by name."""

    def connected(name: str, *, patience: float = 600, timeout: float = 30.0) -> Exchange:
        client = Client(VENUES[name], Patience(patience, waits.append), base_url=served.url, timeout=timeout)
        return Exchange(client)

    return connected
