"""A file of minute bars through the real pipeline, stage by stage, beside a plain COPY of the same rows.

Each run has a home of its own: a fresh embedded server and a fresh luigid. See README.md beside this file.
"""

from __future__ import annotations

import gzip
import io
import os
import platform
import socket
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import luigi
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import typer
from pyarrow import csv

from btcql.errors import BtcqlError
from btcql.records import DEFAULT_SYMBOL, Timeframe
from btcql.settings import Settings
from database.binaries import Installation, find_installations
from database.capabilities import read_capabilities
from database.connection import Connection, connected
from database.creation import create_database
from database.migrate import migrate
from database.roles import WRITER
from database.server import DATABASE, EmbeddedServer, opened
from etl.crew import crew
from etl.landing import LandFile
from etl.luigid import Luigid
from etl.prepare.month import month_inputs
from etl.run import run
from etl.sources import archive as archives
from etl.task import PipelineTask, places
from etl.tasks import RefreshAggregates
from lake.original import file_sha256
from lake.store import Lake

EDITIONS = ("community", "apache", "plain")
GOAL_SECONDS = 30
SOURCE = "binance"
STAGES = {
    "LandFile": "land",
    "PrepareMonth": "prepare",
    "LoadMonth": "load",
    "RefreshAggregates": "aggregates",
}
OVERHEAD = "Luigi's overhead"

_COPY_DATABASE = "plain_copy"
_COPY = b"COPY candle (ts, open, high, low, close, volume, minutes, symbol) FROM STDIN (FORMAT csv)"
_PIECE_BYTES = 1 << 20

# The contents of a table in one number, whatever the order of its rows; and what the API would read of it.
_CONTENTS = b"SELECT count(*), sum(hash_record_extended(candle.*, 0)::numeric) FROM candle"
_DAYS = b"SELECT count(*), sum(observed) FROM candle_1d"
_HOURS = b"SELECT sum(observed) FROM candle_1h"


@dataclass(frozen=True)
class Archive:
    """The file that is imported, and the same bars as the text that a plain COPY takes."""

    path: Path
    text: bytes
    rows: int
    days: int


@dataclass(frozen=True)
class Timings:
    """One run on `server`, in seconds of the wall clock; `stages` may overlap, as tasks do."""

    server: str
    services: float
    stages: dict[str, float]
    total: float
    copy: float


@dataclass
class StageClock:
    """Adds up, stage by stage, the time between the start and the success of each task.

    `idle`: the seconds between the first start and the last success in which no task ran.
    """

    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    idle: float = 0.0
    tasks: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    _started: dict[str, float] = field(default_factory=dict)
    _rests_since: float | None = None

    def __call__(self, event: str, task: PipelineTask, _said: Any) -> None:
        """Take one event of a run; a family that is no stage of its own counts as overhead."""
        now = time.perf_counter()
        stage = STAGES.get(task.task_family, OVERHEAD)
        if event == luigi.Event.START:
            self.idle += now - self._rests_since if self._rests_since is not None else 0.0
            self._rests_since = None
            self._started[task.task_id] = now
        elif event == luigi.Event.SUCCESS:
            self.seconds[stage] += now - self._started.pop(task.task_id)
            self.tasks[stage] += 1
            self._rests_since = None if self._started else now


@dataclass(frozen=True)
class Bench:
    """A running server of one edition with its luigid, a home of their own below them."""

    settings: Settings
    url: str
    luigid: Luigid
    services_seconds: float
    server: str

    @property
    def copy_url(self) -> str:
        """The address of a second, migrated database on the same server: the plain COPY's."""
        return self.url.replace(f"@/{DATABASE}?", f"@/{_COPY_DATABASE}?")

    def import_file(self, archive: Archive) -> tuple[float, StageClock]:
        """Import as `btcql import` does, up to the refreshed daily bars: the same tasks in the same order."""
        where = places(self.settings.lake, self.url, str(self.settings.home / "work"))
        started = time.perf_counter()
        clock = StageClock(_rests_since=started)
        land = LandFile(
            **where,
            name=archive.path.name,
            sha256=file_sha256(archive.path),
            symbol=DEFAULT_SYMBOL,
            source=SOURCE,
            timeframe=Timeframe.MINUTE.value,
            path=str(archive.path.absolute()),
        )
        with crew(self.settings.workers) as members:
            run(land, self.luigid, clock, members)
            run(RefreshAggregates(**where, symbol=DEFAULT_SYMBOL), self.luigid, clock, members)
        return time.perf_counter() - started, clock

    def copy_plainly(self, archive: Archive) -> float:
        """Copy the same rows, as text, into the other database's table in one transaction."""
        with connected(self.copy_url) as connection:
            started = time.perf_counter()
            with connection.cursor().copy(_COPY) as copy:
                for start in range(0, len(archive.text), _PIECE_BYTES):
                    copy.write(archive.text[start : start + _PIECE_BYTES])
            connection.commit()
            return time.perf_counter() - started

    def settle(self) -> None:
        """Bring what was written before to the disk, so that it does not weigh on what is measured next."""
        with connected(EmbeddedServer(self.settings).admin_url, autocommit=True) as connection:
            connection.execute("CHECKPOINT")

    def check(self, archive: Archive, clock: StageClock) -> None:
        """Leave with an error unless all was done: a benchmark that loads nothing would be the fastest."""
        with connected(self.url) as connection:
            contents = _row(connection, _CONTENTS)
            _expect("candles", contents[0], archive.rows)
            _expect("days, candles in candle_1d", _row(connection, _DAYS), (archive.days, archive.rows))
            _expect("candles in candle_1h", _row(connection, _HOURS), (archive.rows,))
        with connected(self.copy_url) as connection:
            _expect("rows, and the hash of them, of the plain COPY", _row(connection, _CONTENTS), contents)
        months = len(month_inputs(Lake(self.settings.lake), DEFAULT_SYMBOL))
        tasks = {"land": 1, "prepare": months, "load": months, "aggregates": 1}
        _expect("tasks that ran", {stage: clock.tasks[stage] for stage in tasks}, tasks)


def find_editions() -> dict[str, Installation]:
    """Return what serves each edition on this machine; the editions that none serves are left out."""
    found = {}
    for edition in EDITIONS:
        wanted = edition != "plain"
        for installation in find_installations():
            if installation.timescaledb == wanted:
                found[edition] = installation
                break
    return found


@contextmanager
def bench(edition: str, installation: Installation) -> Iterator[Bench]:
    """Yield an edition's services, started in a fresh home; stop and remove all."""
    with tempfile.TemporaryDirectory(prefix=f"btcql-{edition}-") as home:
        settings = Settings(
            home_path=home,
            pg_bin=str(installation.bin),
            timescaledb_license="apache" if edition == "apache" else "timescale",
            luigid_port_text=str(_free_port()),
        )
        luigid = Luigid(settings)
        started = time.perf_counter()
        with opened(settings) as url:
            migrate(url)
            with luigid.running():
                services = time.perf_counter() - started
                with connected(url, autocommit=True) as connection:
                    capabilities = read_capabilities(connection)
                    _expect("edition", capabilities.edition, edition)
                    create_database(EmbeddedServer(settings).admin_url, _COPY_DATABASE, owner=WRITER)
                server = f"PostgreSQL {capabilities.postgresql}"
                if capabilities.timescaledb:
                    server += f", TimescaleDB {capabilities.timescaledb}"
                running = Bench(settings, url, luigid, services, server)
                migrate(running.copy_url)
                try:
                    yield running
                except BtcqlError:
                    # The home goes, and its logs with it: what luigid last said may be all there is to go by.
                    print(*luigid.log.read_text().splitlines()[-20:], sep="\n", file=sys.stderr)
                    raise


def measure(edition: str, installation: Installation, archive: Archive, *, copy_first: bool) -> Timings:
    """Run the pair, import and plain COPY, once, on a server of their own."""
    with bench(edition, installation) as running:
        copy = 0.0
        if copy_first:
            running.settle()
            copy = running.copy_plainly(archive)
        running.settle()
        total, clock = running.import_file(archive)
        if not copy_first:
            running.settle()
            copy = running.copy_plainly(archive)
        running.check(archive, clock)
    stages = {stage: clock.seconds[stage] for stage in STAGES.values()}
    stages[OVERHEAD] = clock.idle
    return Timings(running.server, running.services_seconds, stages, total, copy)


def read_archive(path: Path) -> Archive:
    """Prepare what does not count: the rows as COPY's text, and what must be in the database at the end."""
    with (
        tempfile.TemporaryDirectory(prefix="btcql-benchmark-") as folder,
        archives.opened(path, Timeframe.MINUTE, datetime.now(UTC), Path(folder)) as bars,
    ):
        table = pa.concat_tables(months for _, months in bars.months())
    # Counted without the product's reader: it may not judge itself.
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        _expect(
            "bars of the file that can be read", table.num_rows, sum(1 for line in file if line.strip()) - 1
        )
    rows = table.set_column(0, "ts", table["ts"].cast(pa.timestamp("s", tz="UTC")))
    rows = rows.append_column("minutes", pa.repeat(pa.scalar(1, pa.int16()), rows.num_rows))
    rows = rows.append_column("symbol", pa.repeat(pa.scalar(DEFAULT_SYMBOL), rows.num_rows))
    text = io.BytesIO()
    csv.write_csv(rows, text, csv.WriteOptions(include_header=False))
    days = pc.count_distinct(pc.floor_temporal(table["ts"], unit="day")).as_py()
    return Archive(path, text.getvalue(), table.num_rows, days)


def write_file(path: Path) -> None:
    """Write a leap year of made-up minutes (527,040 bars) in an archive's form: the same for everyone."""
    rows = 366 * 1440
    random = np.random.default_rng(2024)
    walk = 42_000 * np.exp(np.cumsum(random.standard_t(4, rows + 1) * 5e-4))
    opens, closes = walk[:-1].round(2), walk[1:].round(2)
    wicks = random.exponential(2e-4, (2, rows))
    ts = np.datetime64("2024-01-01", "s") + np.arange(rows) * np.timedelta64(60, "s")
    table = pa.table(
        {
            "timestamp": pc.strftime(pa.array(ts), format="%Y-%m-%dT%H:%M:%SZ"),
            "open": opens,
            "high": (np.maximum(opens, closes) * (1 + wicks[0])).round(2),
            "low": (np.minimum(opens, closes) * (1 - wicks[1])).round(2),
            "close": closes,
            "volume": random.lognormal(3, 1, rows).round(5),
        }
    )
    with gzip.open(path, "wb") as file:
        csv.write_csv(table, file, csv.WriteOptions(quoting_style="none"))


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
    chosen = [name.strip() for name in editions.split(",")] if editions else list(found)
    for edition in chosen:
        if edition not in found:
            known = ", ".join(found)
            raise SystemExit(f"{edition!r} is not an edition that this machine has: it has {known}")
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
        _measure_all(archive, {edition: found[edition] for edition in chosen}, runs)


def _measure_all(archive: Archive, chosen: dict[str, Installation], runs: int) -> None:
    """Run all pairs, then report: the editions take turns, so that a slow minute hits none of them alone."""
    timings: dict[str, list[Timings]] = {edition: [] for edition in chosen}
    for number in range(runs):
        for edition, installation in chosen.items():
            # Either goes first in turn: what the first one warms up must not favour the second.
            one = measure(edition, installation, archive, copy_first=number % 2 == 1)
            timings[edition].append(one)
            print(
                f"run {number + 1} of {runs}, {edition}: {one.total:.2f} s, plain COPY {one.copy:.2f} s",
                file=sys.stderr,
            )
    for edition, own in timings.items():
        report(edition, archive, own)


def _row(connection: Connection, statement: bytes) -> tuple[Any, ...]:
    row = connection.execute(statement).fetchone()
    assert row is not None
    return row


def _expect(what: str, found: Any, expected: Any) -> None:
    if found != expected:
        raise SystemExit(f"{what}: {found}, expected {expected}; the figures would say nothing")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


if __name__ == "__main__":
    try:
        typer.run(main)
    except BtcqlError as error:
        raise SystemExit(str(error)) from error
