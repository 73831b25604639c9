"""A file of minute bars through the real pipeline, stage by stage, beside a plain COPY of the same rows.

Each run has a home of its own: a fresh embedded server and a fresh luigid. See README.md beside this file.
"""

from __future__ import annotations

import os
import platform
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.editions import EDITIONS, find_editions, installation
from benchmarks.importing import Timings, measure
from benchmarks.minutes import Archive, read_archive, write_file
from btcql.errors import BtcqlError
from database.binaries import Installation

GOAL_SECONDS = 30


def report(edition: str, archive: Archive, runs: list[Timings]) -> None:
    """Print one edition's table: medians of the runs, ratios pair by pair."""
    total = statistics.median(timings.total for timings in runs)
    print(f"\n{edition} ({runs[0].server}), median of {len(runs)} run{'s' if len(runs) > 1 else ''}")
    print(f"{'stage':<26}{'seconds':>10}{'share':>9}{'x plain COPY':>15}{'min':>8}{'max':>8}")
    stages = [(stage, [timings.stages[stage] for timings in runs]) for stage in runs[0].stages]
    for name, seconds in [*stages, ("total", [timings.total for timings in runs])]:
        ratios = [second / timings.copy for second, timings in zip(seconds, runs, strict=True)]
        share = statistics.median(
            second / timings.total for second, timings in zip(seconds, runs, strict=True)
        )
        print(
            f"{name:<26}{statistics.median(seconds):>10.2f}{share:>9.1%}"
            f"{statistics.median(ratios):>15.2f}{min(ratios):>8.2f}{max(ratios):>8.2f}"
        )
    print(f"{'plain COPY':<26}{statistics.median(timings.copy for timings in runs):>10.2f}")
    print(
        f"{'services, not in the total':<26}{statistics.median(timings.services for timings in runs):>10.2f}"
    )
    slowest = max(timings.total for timings in runs)
    print(
        f"{archive.rows / total:,.0f} bars per second; goal: under {GOAL_SECONDS} s for a year of minutes; "
        f"here {total:.1f} s for {archive.rows:,} bars, slowest run {slowest:.1f} s"
    )


def main(
    file: Annotated[
        Path | None, typer.Argument(help="CSV of minute bars, .gz too; by default one is made up.")
    ] = None,
    editions: Annotated[
        str, typer.Option(help="Comma-separated; by default all that this machine has.")
    ] = "",
    runs: Annotated[int, typer.Option(min=1, help="Pairs of import and plain COPY per edition.")] = 3,
) -> None:
    """Measure the import of a file of minute bars, beside a plain COPY of the same rows."""
    found = find_editions()
    names = [name.strip() for name in editions.split(",")] if editions else list(found)
    chosen = {name: installation(name) for name in names}
    missing = [edition for edition in EDITIONS if edition not in found]
    with tempfile.TemporaryDirectory(prefix="btcql-benchmark-") as folder:
        if file is None:
            file = Path(folder) / "made-up-2024.csv.gz"
            write_file(file)
        archive = read_archive(file)
        print(
            f"{file.name}: {archive.rows:,} bars of {archive.days:,} days\n"
            f"{platform.platform()}, {os.cpu_count()} processors, Python {platform.python_version()}, "
            f"load {os.getloadavg()[0]:.2f} at the start"
        )
        if missing:
            print(f"NOT measured, for this machine has no PostgreSQL for it: {', '.join(missing)}")
        print("plain COPY: CSV text through psycopg, prepared beforehand, same server, same kind of table")
        _measure_all(archive, chosen, runs)


def _measure_all(archive: Archive, chosen: dict[str, Installation], runs: int) -> None:
    """Run all pairs, then report: the editions take turns, so that a slow minute hits none of them alone."""
    timings: dict[str, list[Timings]] = {edition: [] for edition in chosen}
    for number in range(runs):
        for edition, server in chosen.items():
            # Either goes first in turn: what the first one warms up must not favour the second.
            one = measure(edition, server, archive, copy_first=number % 2 == 1)
            timings[edition].append(one)
            print(
                f"run {number + 1} of {runs}, {edition}: {one.total:.2f} s, plain COPY {one.copy:.2f} s",
                file=sys.stderr,
            )
    for edition, own in timings.items():
        report(edition, archive, own)


if __name__ == "__main__":
    try:
        typer.run(main)
    except BtcqlError as error:
        raise SystemExit(str(error)) from error
