"""Measure the API beside what else could answer the same questions, on one machine, in one run.

    python -m benchmarks.api [--file bars.csv.gz] [--edition plain] [--rounds 5] [--postgraphile FOLDER]

README.md beside this file says what is measured, how, and what the goals are.
"""

from __future__ import annotations

import os
import platform
import statistics
import tempfile
import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import psutil
import typer

from benchmarks import contestants, market, wrk
from benchmarks.contestants import API, CACHED, Contestant
from benchmarks.editions import installation
from benchmarks.questions import Question, questions
from benchmarks.wrk import Figures
from btcql import calendar
from btcql.errors import BtcqlError
from btcql.settings import Settings
from database.address import with_role
from database.migrate import migrate
from database.roles import READER
from database.server import EmbeddedServer

CACHED_GOAL = 5.0  # times json_agg
SPREAD_GOAL = 4.0  # the most that p99 may be of p50, at 8 connections
_SETTLE_SECONDS, _REST_SECONDS = 60.0, 0.2  # the longest to wait for rest; how long it is looked at


def main(
    file: Annotated[Path | None, typer.Option(help="Bars to load instead of made-up ones.")] = None,
    edition: Annotated[str, typer.Option(help="plain or community.")] = "plain",
    connections: Annotated[str, typer.Option(help="How many at a time, by commas.")] = "1,8,32",
    rounds: Annotated[int, typer.Option(min=1, help="Rounds; each asks every contestant once.")] = 5,
    seconds: Annotated[int, typer.Option(min=1, help="Of each of wrk's runs.")] = 2,
    only: Annotated[str, typer.Option(help="The questions with this in their names.")] = "",
    postgraphile: Annotated[
        Path | None, typer.Option(help="A folder with npm's postgraphile 5 and its connection filter.")
    ] = None,
) -> None:
    """Print the figures and their ratios, question by question."""
    wrk.find_wrk()
    print(
        f"{platform.platform()}, {os.cpu_count()} processors, Python {platform.python_version()}, "
        f"{edition}, {rounds} rounds of {seconds} s, load {os.getloadavg()[0]:.2f} at the start"
    )
    with tempfile.TemporaryDirectory(prefix="btcql-") as home, ExitStack() as stack:
        settings = Settings(home_path=home, pg_bin=str(installation(edition).bin))
        server = EmbeddedServer(settings)
        url = stack.enter_context(server.running())
        database = psutil.Process(int((server.data / "postmaster.pid").read_text().split()[0]))
        migrate(url)
        settled = datetime.now(UTC) - timedelta(microseconds=calendar.SETTLING)
        end = settled.replace(hour=0, minute=0, second=0, microsecond=0)
        if file is None:
            market.load_made_up(url, end.date())
        else:
            end = market.load_file(url, file, Path(home))
        entrants = contestants.start(stack, with_role(url, READER), Path(home), postgraphile)
        for question in questions(end):
            if only in question.name:
                counts = [int(count) for count in connections.split(",")]
                compare(question, entrants, database, counts, rounds, seconds, Path(home))


def compare(
    question: Question,
    entrants: list[Contestant],
    database: psutil.Process,
    connections: list[int],
    rounds: int,
    seconds: int,
    folder: Path,
) -> None:
    """Ask the contestants in turn, round by round, and print the medians."""
    asked = [(entrant, target) for entrant in entrants if (target := entrant.target(question)) is not None]
    print(f"\n{question.name}")
    for entrant, target in asked:
        size = contestants.check(entrant, target, question)
        print(f"  {entrant.name:<14} {size:>9,} bytes")
    for count in connections:
        seen: dict[str, list[Figures]] = {entrant.name: [] for entrant, _ in asked}
        taken: dict[str, float] = dict.fromkeys(seen, 0.0)
        for _ in range(rounds):
            for entrant, target in asked:
                before = entrant.cpu(database)
                seen[entrant.name].append(wrk.run(target, count, seconds, folder))
                taken[entrant.name] += entrant.cpu(database) - before
                settle(entrants, database)
        cpu: dict[str, float] = {}
        seen = without_refusals(seen, count)
        for name, figures in seen.items():
            p50, p99 = (
                statistics.median(values) for values in zip(*((f.p50, f.p99) for f in figures), strict=True)
            )
            rate = statistics.median(figure.rate for figure in figures)
            line = f"  {count:>2} x {name:<14} {rate:9.1f}/s   p50 {p50:8.2f} ms   p99 {p99:8.2f} ms"
            cpu[name] = 1000 * taken[name] / max(1, sum(figure.requests for figure in figures))
            print(f"{line}   {cpu[name]:7.2f} ms of processor")
        report(question, count, seen)
        for peer in cpu.keys() - {API, CACHED} if API in cpu else ():
            print(f"     {API} / {peer:<14} {cpu[peer] / max(cpu[API], 0.001):6.2f} by processor time")


def settle(entrants: list[Contestant], database: psutil.Process) -> None:
    """Wait until all are at rest: some work on for those who have left, and would slow whoever is next."""
    ends = time.monotonic() + _SETTLE_SECONDS
    while time.monotonic() < ends:
        before = sum(entrant.cpu(database) for entrant in entrants)
        time.sleep(_REST_SECONDS)
        if sum(entrant.cpu(database) for entrant in entrants) - before < _REST_SECONDS / 4:
            return
    print(f"  somebody still works after {_SETTLE_SECONDS} s: look at the next figures with that in mind")


def without_refusals(seen: dict[str, list[Figures]], count: int) -> dict[str, list[Figures]]:
    """Return the figures of those who answered all that was asked, and say how much the others refused."""
    for name, figures in seen.items():
        if refused := sum(figure.refused for figure in figures):
            requests = sum(figure.requests for figure in figures)
            print(
                f"  {count:>2} x {name:<14} refused {refused:,} of {requests:,}: a rate would be of refusals"
            )
    return {name: figures for name, figures in seen.items() if not any(figure.refused for figure in figures)}


def report(question: Question, count: int, seen: dict[str, list[Figures]]) -> None:
    """Print the ratios against the goals: medians of the rounds' own ratios, with the least and the most."""
    pairs: list[tuple[str, str, float | None]] = [(API, peer, goal) for peer, goal in question.goals.items()]
    pairs += [(API, peer, None) for peer in ("json_agg", "postgraphile") if peer not in question.goals]
    pairs += [(CACHED, "json_agg", CACHED_GOAL)]
    for one, other, goal in pairs:
        if one in seen and other in seen:
            # a round in which the other answered nothing in time has no ratio
            ratios = [a.rate / b.rate for a, b in zip(seen[one], seen[other], strict=True) if b.rate]
            print(f"     {one} / {other:<14} {verdict(ratios, goal)}")
    if count == 8 and API in seen:
        spread = [figures.p99 / figures.p50 for figures in seen[API] if figures.p50]
        print(f"     {API}: p99 / p50       {verdict(spread, SPREAD_GOAL, at_most=True)}")


def verdict(ratios: list[float], goal: float | None, *, at_most: bool = False) -> str:
    """Return the median of the ratios, and whether it is what was aimed at."""
    if not ratios:
        return "no answers in time to compare with"
    median = statistics.median(ratios)
    text = f"{median:6.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
    if goal is None:
        return text
    met = median <= goal if at_most else median >= goal
    return f"{text}   goal {'<=' if at_most else '>='} {goal:g}: {'met' if met else 'MISSED'}"


if __name__ == "__main__":
    try:
        typer.run(main)
    except BtcqlError as error:
        raise SystemExit(str(error)) from error
