"""Who answers: this API, uncached and cached, json_agg behind Starlette, PostGraphile 5 if it is there."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import psutil

from benchmarks.questions import Question
from benchmarks.wrk import Target
from btcql.settings import Settings

API, CACHED, JSON_AGG, POSTGRAPHILE = "api", "api cached", "json_agg", "postgraphile"
_START_SECONDS = 60
# Nothing may refuse what is only asked to be measured, nor write a line about each request.
_OPEN = {
    "BTCQL_MAX_COST": "1000000000",
    "BTCQL_ANONYMOUS_RATE": "unlimited",
    "BTCQL_LOG_LEVEL": "warning",
}
_POSTGRAPHILE = """
import { PostGraphileAmberPreset } from "postgraphile/presets/amber";
import { makePgService } from "postgraphile/adaptors/pg";
import { PostGraphileConnectionFilterPreset } from "postgraphile-plugin-connection-filter";

export default {
  extends: [PostGraphileAmberPreset, PostGraphileConnectionFilterPreset],
  schema: { defaultBehavior: "+list -connection" },
  pgServices: [
    makePgService({
      connectionString: process.env.DATABASE_URL, schemas: ["public"], poolConfig: { max: 8 },
    }),
  ],
  grafserv: { port: Number(process.env.PORT), host: "127.0.0.1", graphiql: false, watch: false },
};
"""


@dataclass(frozen=True)
class Contestant:
    """A server that is up, and how it is asked; `target` is None for what it cannot answer."""

    name: str
    target: Callable[[Question], Target | None]
    process: psutil.Process

    def cpu(self, database: psutil.Process) -> float:
        """Return the processor's seconds that it and the database have taken since they began."""
        own, ended = self.process.cpu_times(), database.cpu_times()
        # what sessions that have ended took is the server's, else a vacuum's end would be a gain
        seconds = own.user + own.system + ended.children_user + ended.children_system
        for session in database.children():
            with suppress(psutil.NoSuchProcess):
                times = session.cpu_times()
                seconds += times.user + times.system
        return float(seconds)


def start(stack: ExitStack, url: str, home: Path, postgraphile: Path | None) -> list[Contestant]:
    """Start all servers on the database at `url`; the stack stops them."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("BTCQL_")}
    environment |= {"BTCQL_DATABASE_URL": url, "BTCQL_HOME": str(home)}
    known = {setting.metadata["variable"] for setting in fields(Settings)}
    opened = {name: value for name, value in _OPEN.items() if name in known}
    capacities = {API: "0", CACHED: "67108864"} if "BTCQL_CACHE_BYTES" in known else {API: ""}
    entrants = []
    for name, capacity in capacities.items():
        port = _free_port()
        cache = {"BTCQL_CACHE_BYTES": capacity} if capacity else {}
        command = [str(Path(sys.executable).with_name("btcql")), "serve", "--port", str(port)]
        process = _launch(stack, command, environment | opened | cache, port)
        entrants.append(Contestant(name, _graphql(port), process))
    port = _free_port()
    command = [sys.executable, "-m", "uvicorn", "benchmarks.peers:create_app", "--factory"]
    process = _launch(stack, [*command, "--port", str(port), "--log-level", "warning"], environment, port)
    address = f"http://127.0.0.1:{port}"
    entrants.append(Contestant(JSON_AGG, lambda question: Target(address + question.json_agg), process))
    entrants += _start_postgraphile(stack, url, postgraphile)
    return entrants


def check(entrant: Contestant, target: Target, question: Question) -> int:
    """Ask once, and leave unless the answer has the question's rows; return its bytes."""
    if target.body is None:
        answer = httpx.get(target.url, timeout=60)
    else:
        answer = httpx.post(target.url, json=target.body, timeout=60)
    found = answer.json()
    if isinstance(found, dict) and "errors" in found:
        raise SystemExit(f"{entrant.name} cannot answer {question.name}: {answer.text[:500]}")
    if (rows := _rows(found)) != question.rows:
        raise SystemExit(f"{entrant.name} answers {question.name} with {rows} rows, not {question.rows}")
    return len(answer.content)


def _rows(found: Any) -> int:
    """Return how many of the innermost objects an answer has."""
    if isinstance(found, list):
        return sum(map(_rows, found))
    inner = [value for value in found.values() if isinstance(value, dict | list)]
    return sum(map(_rows, inner)) if inner else 1


def _graphql(port: int) -> Callable[[Question], Target]:
    return lambda question: Target(f"http://127.0.0.1:{port}/graphql", {"query": question.graphql})


def _start_postgraphile(stack: ExitStack, url: str, folder: Path | None) -> list[Contestant]:
    if folder is None or not (folder / "node_modules/postgraphile").is_dir():
        print("PostGraphile is left out: no folder with it was given (README.md says how)")
        return []
    config = folder / "graphile.config.mjs"
    config.write_text(_POSTGRAPHILE)
    port = _free_port()
    # its client takes a socket's folder only with a host before it
    parts = urlsplit(url)
    socket_folder = parse_qs(parts.query)["host"][0]
    address = f"postgresql://{parts.username}@localhost{parts.path}?host={socket_folder}"
    environment = {**os.environ, "DATABASE_URL": address, "PORT": str(port), "GRAPHILE_ENV": "production"}
    environment["NODE_ENV"] = "production"
    # it needs Node 22: npm's package of that name does as well as an installed one
    own = folder / "node_modules/node/bin/node"
    node = str(own) if own.exists() else shutil.which("node") or "node"
    command = [node, str(folder / "node_modules/.bin/postgraphile"), "-C", str(config)]
    process = _launch(stack, command, environment, port, folder)

    def target(question: Question) -> Target | None:
        if question.postgraphile is None:
            return None
        return Target(f"http://127.0.0.1:{port}/graphql", {"query": question.postgraphile})

    return [Contestant(POSTGRAPHILE, target, process)]


def _launch(
    stack: ExitStack,
    command: list[str],
    environment: Mapping[str, str],
    port: int,
    folder: Path | None = None,
) -> psutil.Process:
    """Start a server, wait until it listens, and return its process; the stack stops it.

    In a session of its own, as services are: Linux shares the processors out among sessions, and each of
    PostgreSQL's processes is one. Servers in wrk's would stand still for a tenth of a second now and then.
    """
    process = subprocess.Popen(
        command, env=environment, cwd=folder, stdin=subprocess.DEVNULL, start_new_session=True
    )
    stack.callback(process.wait)
    stack.callback(process.terminate)
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return psutil.Process(process.pid)
    raise SystemExit(f"{json.dumps(command)} does not listen on port {port}")


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port
