"""`btcql up`: everything from one command, and nothing left of it afterwards."""

from __future__ import annotations

import json
import platform
import re
import signal
import socket
import socketserver
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest

from database.server import EmbeddedServer
from tests.cli.conftest import LIMIT_SECONDS, Command
from tests.cli.files import daily_rows, write_csv

QUESTION = """
{
  market {
    symbol sources synthetic
    freshness { firstBar dataThrough }
    movement(range: { last: WEEK }) { open close change coverage { present } }
    movingAverage(range: { lastDays: 2 }, window: 7) { points { value status } }
    forecast { basedOn points { price interval(level: 80) { lower upper } } }
  }
  server { edition continuousAggregates }
}
"""


def ask(command: Command, query: str = QUESTION) -> dict[str, Any]:
    answer = httpx.post(
        f"http://127.0.0.1:{command.settings.port}/graphql", json={"query": query}, timeout=30
    )
    body: dict[str, Any] = answer.json()
    return body


def ask_when_up(command: Command, query: str) -> dict[str, Any]:
    deadline = time.monotonic() + 30
    while True:
        try:
            return ask(command, query)
        except httpx.TransportError:
            assert time.monotonic() < deadline
            time.sleep(0.1)


@contextmanager
def up(
    command: Command, *arguments: str | Path, quiet: bool = True, folder: Path | None = None
) -> Iterator[list[str]]:
    """Run `btcql up` until all is up; at the end stop it as a service manager does."""
    with command.start("up", *arguments, folder=folder) as process:
        said: list[str] = []
        try:
            assert process.stdout is not None
            for line in process.stdout:
                said.append(line)
                if "Ctrl-C stops everything" in line:
                    break
            yield said
        finally:
            process.send_signal(signal.SIGTERM)
            out, err = process.communicate(timeout=LIMIT_SECONDS)
            said.append(out)
        assert process.returncode == 0, "".join(said) + err
        assert err == "btcql: stopping\n" or not quiet, err


def test_from_a_file_to_the_first_answer_and_to_nothing(btcql: Command, edition: str, tmp_path: Path) -> None:
    rows = daily_rows(500)
    file = write_csv(tmp_path / "days.csv", rows)
    with up(btcql, "--import", file, "--source", "bitstamp", "--timeframe", "1d") as said:
        data = ask(btcql)["data"]
        luigid = f"http://127.0.0.1:{btcql.settings.luigid_port}"
        assert httpx.get(f"{luigid}/static/visualiser/index.html").status_code == 200
        done = httpx.get(f"{luigid}/api/task_list", params={"data": '{"status": "DONE"}'}).json()["response"]
        page = httpx.get(f"http://127.0.0.1:{btcql.settings.port}/graphql", headers={"accept": "text/html"})
    market = data["market"]
    assert data["server"] == {"edition": edition, "continuousAggregates": edition == "community"}
    assert (market["sources"], market["synthetic"]) == (["bitstamp"], False)
    closes = [float(row.split(",")[4]) for row in rows]
    assert market["movement"]["close"] == closes[-1]
    assert market["movement"]["coverage"]["present"] == 7
    assert [p["value"] for p in market["movingAverage"]["points"]] == pytest.approx(
        [sum(closes[-8:-1]) / 7, sum(closes[-7:]) / 7], rel=1e-12
    )
    assert market["forecast"]["basedOn"] == "2023-05-15"
    assert len(market["forecast"]["points"]) == 15
    assert all(
        p["interval"]["lower"] < p["price"] < p["interval"]["upper"] for p in market["forecast"]["points"]
    )
    families = {task["name"] for task in done.values()}
    assert families == {
        "LandFile",
        "PrepareMonth",
        "RemoveSample",
        "LoadMonth",
        "RefreshAggregates",
        "IssueForecast",
    }
    assert "text/html" in page.headers["content-type"]
    text = "".join(said)
    assert "SYNTHETIC" not in text
    for address in (f":{btcql.settings.port}/graphql", f":{btcql.settings.luigid_port}/static/visualiser"):
        assert address in text


def test_without_a_file_it_shows_the_made_up_market_until_real_bars_come(
    plain_btcql: Command, tmp_path: Path
) -> None:
    with up(plain_btcql) as said:
        first = ask(plain_btcql)["data"]["market"]
        plain_btcql.succeed(
            "import", write_csv(tmp_path / "days.csv", daily_rows(450)), "--source", "bitstamp"
        )
        second = ask(plain_btcql)["data"]["market"]
    assert "NO REAL PRICES: bitstamp cannot be reached: no connection" in "".join(said)
    assert "SYNTHETIC" in "".join(said)
    assert (first["synthetic"], first["sources"]) == (True, ["synthetic"])
    assert first["movement"]["coverage"]["present"] == 7
    assert len(first["forecast"]["points"]) == 15
    assert (second["synthetic"], second["sources"]) == (False, ["bitstamp"])
    assert second["forecast"]["basedOn"] == "2023-03-26"
    assert plain_btcql.rows("SELECT count(*), min(minutes) FROM candle") == [(450, 1440)]
    assert plain_btcql.rows("SELECT count(*) FROM forecast") == [(1,)]
    assert "synthetic" not in plain_btcql.succeed("lake", "ls")
    with up(plain_btcql) as said:
        assert ask(plain_btcql)["data"]["market"]["synthetic"] is False
    assert "SYNTHETIC" not in "".join(said)


def test_no_made_up_bar_is_ever_shown_as_a_real_one(best_btcql: Command, tmp_path: Path) -> None:
    with (
        up(best_btcql),
        best_btcql.start("import", write_csv(tmp_path / "days.csv", daily_rows(450))) as process,
    ):
        best_btcql.wait_for("SELECT NOT 'synthetic' = ANY (sources) FROM load LIMIT 1", process)
        process.kill()
    assert best_btcql.rows("SELECT count(*) FROM candle_1d WHERE observed > 1 OR minutes < 1440") == [(0,)]
    assert best_btcql.rows("SELECT count(*) FROM candle_1h") == [(0,)]


def test_an_import_beside_a_starting_up_waits_its_turn(plain_btcql: Command, tmp_path: Path) -> None:
    with plain_btcql.start("up") as starting:
        plain_btcql.wait_for("SELECT count(*) > 3 FROM load", starting)
        said = plain_btcql.succeed("import", write_csv(tmp_path / "days.csv", daily_rows(450)))
        starting.terminate()
        starting.communicate()
    assert "waiting for another btcql" in said
    assert "replace its 130,128 made-up ones" in said
    assert plain_btcql.rows("SELECT DISTINCT sources FROM load") == [(["file:days"],)]


def wait_for_handlers(pid: int) -> None:
    """Wait until a process catches SIGHUP, as btcql does: before that it ends as Python does."""
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        time.sleep(1)  # elsewhere than on Linux it cannot be seen
        return
    deadline = time.monotonic() + LIMIT_SECONDS
    while time.monotonic() < deadline:
        (caught,) = re.findall(r"^SigCgt:\s*(\w+)$", status.read_text(), re.MULTILINE)
        if int(caught, 16) >> (signal.SIGHUP - 1) & 1:
            return
        time.sleep(0.001)
    raise AssertionError("it never came to its signals")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("seconds", [0, 0.3, 0.6, 1, 1.7])
def test_ended_while_it_starts_it_leaves_nothing(
    plain_btcql: Command, number: signal.Signals, seconds: float
) -> None:
    with plain_btcql.start("up") as process:
        wait_for_handlers(process.pid)
        time.sleep(seconds)
        process.send_signal(number)
        err = process.communicate()[1]
    assert process.returncode in (0, 130, -number), err
    assert "Traceback" not in err
    assert plain_btcql.processes() == []


def test_a_killed_database_comes_back_while_it_runs(plain_btcql: Command, tmp_path: Path) -> None:
    file = write_csv(tmp_path / "days.csv", daily_rows(30))
    with up(plain_btcql, "--import", file, quiet=False):
        pid_file = EmbeddedServer(plain_btcql.settings).data / "postmaster.pid"
        pid = pid_file.read_text().split("\n", 1)[0]
        subprocess.run(["kill", "-9", pid], check=True)
        deadline = time.monotonic() + 60
        while "data" not in (answer := ask(plain_btcql, "{ market { symbol } }")) or answer["data"] is None:
            assert answer["errors"][0]["extensions"]["code"] == "DATABASE_UNAVAILABLE"
            assert time.monotonic() < deadline
            time.sleep(0.2)
        assert answer == {"data": {"market": {"symbol": "BTC-USD"}}}


def test_it_may_start_beside_a_folder_of_the_same_name(plain_btcql: Command, tmp_path: Path) -> None:
    (tmp_path / "btcql").mkdir()
    with up(plain_btcql, "--import", write_csv(tmp_path / "days.csv", daily_rows(30)), folder=tmp_path):
        assert ask(plain_btcql, "{ market { symbol } }") == {"data": {"market": {"symbol": "BTC-USD"}}}


def test_a_home_with_another_market_gets_no_made_up_one(plain_btcql: Command, tmp_path: Path) -> None:
    file = write_csv(tmp_path / "days.csv", daily_rows(30))
    plain_btcql.succeed("import", file, "--symbol", "ETH-USD")
    with up(plain_btcql) as said:
        markets = ask(plain_btcql, "{ markets { symbol synthetic } }")["data"]["markets"]
    assert markets == [{"symbol": "ETH-USD", "synthetic": False}]
    assert "SYNTHETIC" not in "".join(said)


def test_a_killed_up_leaves_no_api_and_the_next_takes_over(plain_btcql: Command, tmp_path: Path) -> None:
    file = write_csv(tmp_path / "days.csv", daily_rows(30))
    with plain_btcql.start("up", "--import", file) as process:
        assert process.stdout is not None
        assert any("Ctrl-C" in line for line in process.stdout)
        process.kill()
    deadline = time.monotonic() + 30
    while plain_btcql.runs("serve"):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    with up(plain_btcql, "--import", file) as said:
        assert ask(plain_btcql, "{ market { symbol } }")["data"]
    assert "0 rows written" in "".join(said)


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


@pytest.mark.parametrize(("variable", "arguments"), [("BTCQL_PORT", ["up"]), ("BTCQL_PORT", ["serve"])])
def test_a_taken_port_is_named(
    plain_btcql: Command, taken_port: int, variable: str, arguments: list[str]
) -> None:
    plain_btcql.environment[variable] = str(taken_port)
    said = plain_btcql.fail(*arguments)
    assert f":{taken_port}" in said
    assert variable in said


ANSWERS = {
    "a web server": b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
    "not HTTP": b"SSH-2.0-OpenSSH_9.2p1\r\n",
    "nothing": b"",
    "other JSON": b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}",
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS.keys())
def test_a_luigid_port_that_answers_otherwise_is_named(
    plain_btcql: Command, tmp_path: Path, answer: bytes
) -> None:
    class Stranger(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(1024)
            self.request.sendall(answer)

    with socketserver.TCPServer(("127.0.0.1", 0), Stranger) as stranger:
        Thread(target=stranger.serve_forever, daemon=True).start()
        plain_btcql.environment["BTCQL_LUIGID_PORT"] = str(stranger.server_address[1])
        said = plain_btcql.fail("import", write_csv(tmp_path / "days.csv", daily_rows(3)))
        stranger.shutdown()
    assert "is not luigid" in said
    assert "BTCQL_LUIGID_PORT" in said


def test_serve_alone_answers_and_stops(plain_btcql: Command, tmp_path: Path) -> None:
    plain_btcql.succeed("import", write_csv(tmp_path / "days.csv", daily_rows(30)))
    plain_btcql.environment["BTCQL_LOG_LEVEL"] = "info"
    with plain_btcql.start("serve") as process:
        answer = ask_when_up(plain_btcql, "{ market { movement(range: { last: ALL }) { close } } }")
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=30)
    assert answer["data"]["market"]["movement"]["close"] == float(daily_rows(30)[-1].split(",")[4])
    (line,) = [json.loads(line) for line in told.splitlines() if line.startswith("{")]  # no terminal: JSON
    assert (line["logger"], line["path"], line["status"]) == ("btcql.request", "/graphql", 200)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")
def test_a_long_answer_finds_the_memory_of_the_one_before(plain_btcql: Command, tmp_path: Path) -> None:
    rows = daily_rows(3653, first=datetime(2014, 1, 1, tzinfo=UTC))
    plain_btcql.succeed("import", write_csv(tmp_path / "days.csv", rows))
    plain_btcql.environment["BTCQL_CACHE_BYTES"] = "0"
    fields = "start open high low close volume"
    days = [
        f"{{ market {{ candles(range: {{last: {period}}}) {{ points {{ {fields} }} }} }} }}"
        for period in ("MONTH", "YEAR", "ALL")
    ]
    with plain_btcql.start("serve") as process:
        for query in days * 20:
            ask_when_up(plain_btcql, query)
        faults = page_faults(process)
        for _ in range(20):
            ask(plain_btcql, days[-1])
        faults = page_faults(process) - faults
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
    assert faults < 20 * 100, "it gives back megabytes after each answer, and gets them anew"


def page_faults(process: subprocess.Popen[str]) -> int:
    """Return how many pages the process was given so far, without the disk."""
    after_name = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return int(after_name[7])
