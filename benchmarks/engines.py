"""Measure the preparation of months on DuckDB and on Spark, and prove that rows and warnings are the same.

    python benchmarks/engines.py FILE... [--master local[2]] [--sizes 500000,1600000]

The files hold one market's bars; their months are landed in a lake of their own, then prepared one after the
other, as the pipeline does it. A size is reported by the oldest months that have so many bars together. Needs
btcql[spark].
"""

from __future__ import annotations

import os
import platform
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated

import typer

from btcql.errors import BtcqlError
from etl.prepare import Prepared, month_inputs, prepare_month
from etl.prepare.engine import DUCKDB, SPARK, Engine, choose_engine
from etl.sources import archive
from lake.path import Partition
from lake.store import Lake

SYMBOL = "BTC-USD"


def main(
    files: Annotated[list[Path], typer.Argument(exists=True, dir_okay=False)],
    master: str = "local[2]",
    sizes: str = "500000,1600000",
) -> None:
    """Print both engines' times for the sizes, and stop if one row or warning differs."""
    engines = {name: choose_engine(name, master) for name in (DUCKDB, SPARK)}
    with tempfile.TemporaryDirectory(prefix="btcql-benchmark-") as folder:
        lake = Lake(folder)
        land(lake, files)
        months = list(month_inputs(lake, SYMBOL))
        print(
            f"{platform.platform()}, {os.cpu_count()} processors, Python {platform.python_version()}, "
            f"load {os.getloadavg()[0]:.2f} at the start"
        )
        runs = {name: list(prepare(lake, months, engine)) for name, engine in engines.items()}
    for month, one, other in zip(months, runs[DUCKDB], runs[SPARK], strict=True):
        if one[0] != other[0]:
            raise SystemExit(f"{month:%Y-%m}: the engines differ; the times would say nothing")
    warnings = sum(len(prepared.warnings) for prepared, _ in runs[DUCKDB])
    print(f"{len(months)} months: rows and the {warnings} warnings are identical on both engines")
    for size in map(int, sizes.split(",")):
        report(runs, size)


def land(lake: Lake, files: list[Path]) -> None:
    """Publish the files' bars, month by month."""
    now = datetime.now(UTC)
    for file in files:
        with archive.opened(file, None, now, Path(lake.root)) as bars:
            for month, table in bars.months():
                lake.publish(
                    Partition("file", SYMBOL, bars.timeframe, month),
                    table,
                    request={"name": file.name},
                    complete_through=bars.complete_through,
                    fetched_at=now,
                )


def prepare(lake: Lake, months: list[date], engine: Engine) -> Iterator[tuple[Prepared, float]]:
    """Yield each prepared month with the seconds that it took, the first with the engine's start."""
    for month in months:
        began = time.perf_counter()
        prepared = prepare_month(lake, SYMBOL, month, engine)
        yield prepared, time.perf_counter() - began


def report(runs: dict[str, list[tuple[Prepared, float]]], size: int) -> None:
    """Print the times for the oldest months that have `size` bars together (or all of them)."""
    rows, count = 0, 0
    for prepared, _ in runs[DUCKDB]:
        if rows >= size:
            break
        rows += prepared.rows
        count += 1
    seconds = {name: [taken for _, taken in run[:count]] for name, run in runs.items()}
    total = {name: sum(taken) for name, taken in seconds.items()}
    print(f"{rows:,} bars in {count} months:")
    for name, taken in seconds.items():
        print(
            f"  {name:<7} {total[name]:7.2f} s, the first month {taken[0]:6.2f} s, "
            f"the median month {sorted(taken)[count // 2]:6.3f} s"
        )
    print(f"  spark takes {total[SPARK] / total[DUCKDB]:.1f} times as long as duckdb")


if __name__ == "__main__":
    try:
        typer.run(main)
    except BtcqlError as error:
        raise SystemExit(str(error)) from error
