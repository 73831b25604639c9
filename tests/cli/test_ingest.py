"""`btcql ingest`, and `btcql up` with a network: real prices from a local exchange."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.cli.conftest import LIMIT_SECONDS, Command
from tests.cli.files import daily_rows, write_csv
from tests.cli.test_up import ask, up
from tests.exchange.server import Exchanges, Fault, exchanges

QUESTION = "{ market { sources synthetic movement(range: { last: WEEK }) { close coverage { present } } } }"


@pytest.fixture
def served(plain_btcql: Command) -> Iterator[Exchanges]:
    """The exchanges on today's clock; their markets are forty days old."""
    with exchanges(datetime.now(UTC)) as running:
        for market in running.markets.values():
            market.begins = running.now - timedelta(days=40)
        plain_btcql.environment["BTCQL_EXCHANGE_URL"] = running.url
        plain_btcql.environment["BTCQL_EXCHANGE_PATIENCE"] = "1"
        yield running


def test_up_begins_with_real_prices_once_there_is_a_network(plain_btcql: Command, served: Exchanges) -> None:
    served.only_faulty = "step=86400"
    served.meet(Fault(status=502), times=9)
    with up(plain_btcql) as said:
        assert ask(plain_btcql, QUESTION)["data"]["market"]["synthetic"] is True
    assert "NO REAL PRICES: bitstamp cannot be reached: 502" in "".join(said)
    served.faults.clear()
    with up(plain_btcql) as said:
        market = ask(plain_btcql, QUESTION)["data"]["market"]
    assert "the first real bars of BTC-USD replace its" in "".join(said)
    assert (market["sources"], market["synthetic"]) == (["bitstamp"], False)
    assert market["movement"]["coverage"]["present"] == 7
    assert "SYNTHETIC" not in "".join(said)
    assert plain_btcql.rows("SELECT count(*) >= 30 * 1440 FROM candle WHERE minutes = 1") == [(True,)]


def test_ingest_fails_with_one_line_and_leaves_no_marker(plain_btcql: Command, served: Exchanges) -> None:
    assert "similar ones: BTC-USD" in plain_btcql.fail("ingest", "--symbol", "BTC-USDX")
    assert "give bitstamp, coinbase, kraken, binance" in plain_btcql.fail("ingest", "--source", "mtgox")
    assert "2024-01-02 is after --to 2024-01-01" in plain_btcql.fail(
        "ingest", "--from", "2024-01-02", "--to", "2024-01-01"
    )
    served.only_faulty = "candles"
    served.meet(Fault(body="<html>maintenance</html>"), times=99)
    said = plain_btcql.fail("ingest", "--source", "coinbase", "--symbol", "ETH-USD", "--timeframe", "1d")
    assert "coinbase does not give bars of ETH-USD" in said
    assert "ETH-USD" not in plain_btcql.succeed("lake", "ls")
    served.faults.clear()
    said = plain_btcql.succeed("ingest", "--source", "coinbase", "--symbol", "ETH-USD", "--timeframe", "1d")
    # the last of its forty days is complete from 00:35 on
    assert re.search(r"ETH-USD from coinbase: (39|40) rows written", said), said
    assert "Fetch months" in said
    assert "source=coinbase" in plain_btcql.succeed("lake", "ls")


def test_ingest_without_a_network_says_so_at_once(plain_btcql: Command) -> None:
    plain_btcql.environment["BTCQL_EXCHANGE_PATIENCE"] = str(10 * LIMIT_SECONDS)  # not waited for
    assert plain_btcql.fail("ingest").endswith("bitstamp cannot be reached: no connection")


def test_ccxt_is_imported_for_exchanges_only(plain_btcql: Command, tmp_path: Path) -> None:
    imported = "import btcql, btcql.cli.pipeline, sys; sys.exit('ccxt' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", imported], check=False).returncode == 0
    plain_btcql.environment["PYTHONPROFILEIMPORTTIME"] = "1"
    file = write_csv(tmp_path / "days.csv", daily_rows(3))
    for command in (["--help"], ["import", file]):
        ended = plain_btcql.run(*command)
        assert ended.returncode == 0, ended.stderr
        names = {line.rpartition("|")[2].strip() for line in ended.stderr.splitlines()}
        assert "btcql" in names
        assert "ccxt" not in names
