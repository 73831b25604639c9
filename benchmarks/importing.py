"""One import of a file through the real pipeline, and a plain COPY of its rows, on a server of their own."""

from __future__ import annotations

import socket
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import luigi

from benchmarks.minutes import Archive, expect
from btcql.errors import BtcqlError
from btcql.records import DEFAULT_SYMBOL, Timeframe
from btcql.settings import Settings
from database.binaries import Installation
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
from etl.task import PipelineTask, places
from etl.tasks import RefreshAggregates
from lake.original import file_sha256
from lake.store import Lake

SOURCE = "binance"
STAGES = {
    "LandFile": "land",
    "PrepareMonth": "prepare",
    "LoadMonth": "load",
    "RefreshAggregates": "aggregates",
}
OVERHEAD = "Luigi's overhead"

_COPY_DATABASE = "plain_copy"
_COPY = b"COPY scaled_candle (ts, open, high, low, close, volume, minutes, symbol) FROM STDIN (FORMAT csv)"
_PIECE_BYTES = 1 << 20

# The contents of a table in one number, whatever the order of its rows; and what the API would read of it.
_CONTENTS = b"SELECT count(*), sum(hash_record_extended(candle.*, 0)::numeric) FROM candle"
_DAYS = b"SELECT count(*), sum(observed) FROM candle_1d"
_HOURS = b"SELECT sum(observed) FROM candle_1h"


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
            expect("candles", contents[0], archive.rows)
            expect("days, candles in candle_1d", _row(connection, _DAYS), (archive.days, archive.rows))
            expect("candles in candle_1h", _row(connection, _HOURS), (archive.rows,))
        with connected(self.copy_url) as connection:
            expect("rows, and the hash of them, of the plain COPY", _row(connection, _CONTENTS), contents)
        months = len(month_inputs(Lake(self.settings.lake), DEFAULT_SYMBOL))
        tasks = {"land": 1, "prepare": months, "load": months, "aggregates": 1}
        expect("tasks that ran", {stage: clock.tasks[stage] for stage in tasks}, tasks)


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
                    expect("edition", capabilities.edition, edition)
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


def _row(connection: Connection, statement: bytes) -> tuple[Any, ...]:
    row = connection.execute(statement).fetchone()
    assert row is not None
    return row


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
