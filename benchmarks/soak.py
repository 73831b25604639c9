"""The API under load for minutes, with loads going on behind it, and then without its database for a while.

See README.md beside this file. Ends with 1 unless every claim of its verdict holds.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import httpx
import psutil
import typer

from benchmarks.soaking import MARKET, Question, ask, prepare, questions, write_month
from btcql.settings import Settings
from database.server import EmbeddedServer

RECOVERY_SECONDS = 5
OUTAGE_SECONDS = 8
GROWTH_SHARE = 0.05
MEGABYTE = 1 << 20


@dataclass
class Tally:
    """What was seen: by phase, since each is judged by its own rules."""

    statuses: Counter[tuple[str, int]] = field(default_factory=Counter)
    problems: Counter[str] = field(default_factory=Counter)
    mixed: Counter[str] = field(default_factory=Counter)
    behind: int = 0
    seconds: list[float] = field(default_factory=list)
    memory: list[tuple[float, int]] = field(default_factory=list)
    phase: str = "warm-up"


@dataclass(frozen=True)
class Plan:
    minutes: float
    connections: int
    warm_up: float


@dataclass(frozen=True)
class Served:
    """The API as a process of its own; `embedded`: the environment of other commands of its home."""

    process: psutil.Process
    address: str
    home: Path
    btcql: str
    embedded: dict[str, str]


async def client(http: httpx.AsyncClient, pool: list[Question], tally: Tally, stop: asyncio.Event) -> None:
    """Ask one question after the other, any of the pool."""
    chance = random.Random()
    while not stop.is_set():
        question = chance.choice(pool)
        began, phase = time.monotonic(), tally.phase
        try:
            outcome = await ask(http, question)
        except httpx.HTTPError as error:
            tally.problems[f"{phase}: {type(error).__name__} at {question.name}"] += 1
            continue
        if phase == "soak":
            tally.seconds.append(time.monotonic() - began)
        tally.statuses[phase, outcome.status] += 1
        tally.mixed.update([question.name] if outcome.is_mixed else [])
        tally.behind += outcome.is_behind
        allowed = outcome.status == 503 and "outage" in {phase, tally.phase}
        if outcome.problem and not allowed:
            tally.problems[f"{phase}: {outcome.problem} at {question.name}"] += 1
        if outcome.status == 503:
            await asyncio.sleep(0.05)


async def watch(process: psutil.Process, tally: Tally, stop: asyncio.Event) -> None:
    """Note the server's memory each second."""
    while not stop.is_set():
        tally.memory.append((time.monotonic(), process.memory_info().rss))
        await asyncio.sleep(1)


async def soak(
    http: httpx.AsyncClient, served: Served, server: EmbeddedServer, plan: Plan, tally: Tally
) -> tuple[float, float]:
    """Go through the phases; return when the soak began, and how long the API took to recover."""
    stop = asyncio.Event()
    pool = questions(random.Random(1))
    work = [asyncio.create_task(client(http, pool, tally, stop)) for _ in range(plan.connections)]
    work.append(asyncio.create_task(watch(served.process, tally, stop)))
    await asyncio.sleep(plan.warm_up)
    tally.phase, began = "soak", time.monotonic()
    print("soaking", flush=True)
    imports = asyncio.create_task(import_months(served, plan.minutes * 60, tally))
    await asyncio.sleep(plan.minutes * 60)
    await imports
    ended = time.monotonic()
    tally.memory = [sample for sample in tally.memory if sample[0] <= ended]
    tally.phase = "outage"
    print("the database is killed", flush=True)
    postmaster = int((server.data / "postmaster.pid").read_text().split()[0])
    os.kill(postmaster, signal.SIGKILL)
    await asyncio.sleep(OUTAGE_SECONDS)
    await asyncio.to_thread(server.ensure_started)
    back = time.monotonic()
    print("the database is started again", flush=True)
    recovery = await recover(http, back)
    tally.phase = "after"
    await asyncio.sleep(10)
    stop.set()
    await asyncio.gather(*work)
    return began, recovery


async def recover(http: httpx.AsyncClient, back: float) -> float:
    """Return how long after `back` a question that no cache can know was first answered by the database."""
    pending: set[asyncio.Task[bool]] = set()
    for number in range(1, 300):
        pending.add(asyncio.create_task(knows(http, number)))
        done, pending = await asyncio.wait(pending, timeout=0.1)
        if any(task.result() for task in done):
            break
    took = time.monotonic() - back
    await asyncio.gather(*pending)
    return took if any(task.result() for task in done) else float("inf")


async def knows(http: httpx.AsyncClient, number: int) -> bool:
    """Return whether the price at an instant that nobody asked for before is told."""
    at = f"2024-01-02T00:00:00.{number:06d}Z"
    query = f'{{ market(symbol: "{MARKET}") {{ price(at: "{at}") {{ value }} }} }}'
    try:
        answer = await http.post("/graphql", json={"query": query})
    except httpx.HTTPError:
        return False
    return answer.status_code == 200 and not {"errors", "extensions"} & answer.json().keys()


async def import_months(served: Served, seconds: float, tally: Tally) -> None:
    """Import one month after the other of another market, as a person would."""
    end = time.monotonic() + seconds
    for number in range(1000):
        if time.monotonic() > end - 30:
            return
        file = served.home / f"minutes-{number}.csv"
        await asyncio.to_thread(write_month, file, number)
        command = [served.btcql, "import", str(file), "--symbol", "NEW-USD", "--source", "bitstamp"]
        process = await asyncio.create_subprocess_exec(
            *command, env=served.embedded, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        _, said = await process.communicate()
        tally.statuses["imports", process.returncode or 0] += 1
        if process.returncode:
            tally.problems[f"import: {said.decode()[-200:]}"] += 1
        await asyncio.sleep(20)


@contextmanager
def loading(url: str, loads: Path) -> Iterator[None]:
    """Load in a process of its own, which writes a line for each load."""
    with loads.open("wb") as lines:
        process = subprocess.Popen([sys.executable, "-m", "benchmarks.soaking", url], stdout=lines)
        try:
            yield
        finally:
            process.kill()
            process.wait()


@contextmanager
def serving(server: EmbeddedServer, home: Path, port: int) -> Iterator[Served]:
    """Serve the API over the running server, which is another's to stop and start."""
    btcql = str(Path(sys.executable).with_name("btcql"))
    embedded = {name: value for name, value in os.environ.items() if not name.startswith("BTCQL_")}
    embedded |= {"BTCQL_HOME": str(home), "BTCQL_LUIGID_PORT": str(port + 1)}
    own = {"BTCQL_DATABASE_URL": server.url, "BTCQL_READER_URL": server.reader_url}
    known = {variable for variable, _, _ in Settings().described()}
    unlimited = {"BTCQL_ANONYMOUS_RATE": "unlimited", "BTCQL_LOG_LEVEL": "warning"}
    own |= {name: value for name, value in unlimited.items() if name in known}
    with (home / "api.log").open("wb") as log:
        command = [btcql, "serve", "--port", str(port)]
        process = subprocess.Popen(command, env=embedded | own, stdout=log, stderr=log)
        try:
            address = f"http://127.0.0.1:{port}"
            wait_until_ready(address, process)
            yield Served(psutil.Process(process.pid), address, home, btcql, embedded)
        finally:
            process.terminate()
            process.wait(30)


def wait_until_ready(address: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        if process.poll() is not None:
            raise SystemExit("the API did not start: see api.log in the home")
        try:
            if httpx.get(f"{address}/readyz").status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.1)
    raise SystemExit("the API is not ready after a minute")


def verdict(tally: Tally, began: float, recovery: float, loads: int, edition: str) -> bool:
    """Print what was seen, and whether every claim holds."""
    memory = [rss for at, rss in tally.memory if at >= began]
    edge = max(10, len(memory) // 10)
    first, last = (statistics.median(part) / MEGABYTE for part in (memory[:edge], memory[-edge:]))
    seconds = sorted(tally.seconds)
    count = tally.statuses
    outage = {status: n for (phase, status), n in count.items() if phase == "outage"}
    asked = sum(n for (phase, status), n in count.items() if phase == "soak")
    print(f"edition {edition}; {asked:,} answers in the soak; behind them {loads} loads of a month,")
    print(f"and {count['imports', 0]} imports by btcql import")
    typical, worst = seconds[len(seconds) // 2] * 1e3, seconds[int(len(seconds) * 0.99)] * 1e3
    print(f"latency p50 {typical:.1f} ms, p99 {worst:.1f} ms, most {seconds[-1] * 1e3:.0f} ms")
    print(f"during the outage of {OUTAGE_SECONDS} s and the restart, by status: {outage}")
    print(f"answers whose days were of another load than their minutes, not yet refreshed: {tally.behind}")
    for problem, times in tally.problems.most_common(20):
        print(f"  {times} x {problem}")
    claims = {
        "no error": not tally.problems,
        f"every answer of one data version (mixed: {dict(tally.mixed) or 'none'})": not tally.mixed,
        f"memory {first:.0f} MB after warm-up, {last:.0f} MB at the end": last <= first * (1 + GROWTH_SHARE),
        "loads went on behind": loads > 0,
        f"cached answers go on without the database ({outage.get(200, 0)})": outage.get(200, 0) > 0,
        f"others get 503 ({outage.get(503, 0)})": outage.get(503, 0) > 0 and set(outage) <= {200, 503},
        f"recovery in {recovery:.2f} s (under {RECOVERY_SECONDS})": recovery < RECOVERY_SECONDS,
    }
    for claim, holds in claims.items():
        print(f"{'PASS' if holds else 'FAIL'}  {claim}")
    return all(claims.values())


def main(
    minutes: Annotated[float, typer.Option(help="How long, after the warm-up.")] = 10,
    connections: Annotated[int, typer.Option(help="How many clients ask at a time.")] = 32,
    warm_up: Annotated[float, typer.Option(help="Seconds before memory counts.")] = 60,
    port: Annotated[int, typer.Option(help="For the API, and the next one for luigid.")] = 8400,
) -> None:
    """Soak the API, kill its database, and print a verdict."""
    with tempfile.TemporaryDirectory(prefix="btcql-soak-") as folder:
        home = Path(folder)
        server = EmbeddedServer(Settings(home_path=folder))
        tally, loads = Tally(), home / "loads"
        with server.running() as url:
            edition = prepare(url)
            with loading(url, loads), serving(server, home, port) as served:
                plan = Plan(minutes, connections, warm_up)
                began, recovery = asyncio.run(_soak(served, server, plan, tally))
            holds = verdict(tally, began, recovery, len(loads.read_text().splitlines()), edition)
    raise typer.Exit(0 if holds else 1)


async def _soak(served: Served, server: EmbeddedServer, plan: Plan, tally: Tally) -> tuple[float, float]:
    limits = httpx.Limits(max_connections=plan.connections + 64)
    async with httpx.AsyncClient(base_url=served.address, limits=limits, timeout=30) as http:
        return await soak(http, served, server, plan, tally)


if __name__ == "__main__":
    typer.run(main)
