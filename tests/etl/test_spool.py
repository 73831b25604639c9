"""A file's bars on the way to the lake: nothing of them is left where they waited, whatever happens."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from textwrap import dedent

from etl.sources import archive
from lake.store import Lake
from tests.etl.files import HOUR, klines
from tests.etl.reading import write

ROOT = Path(__file__).parents[2]
FIRST = 1704067200
LAND = """
import resource, sys
from pathlib import Path
from btcql.errors import PipelineError
from etl.landing import LandFile
from etl.task import places
from lake.original import file_sha256

path, home = Path(sys.argv[1]), sys.argv[2]
task = LandFile(
    **places(f"{home}/lake", "postgresql://nobody@nowhere/", f"{home}/work"),
    name=path.name, sha256=file_sha256(path), symbol="BTC-USDT", source="binance", path=str(path),
)
task.set_status_message = print
"""


def landed(body: str, path: Path, home: Path) -> str:
    """Land a file in a process of its own, as `body` says; return what it prints."""
    command = [sys.executable, "-c", LAND + dedent(body), str(path), str(home)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_a_disk_that_is_full_lands_nothing_and_is_named(tmp_path: Path) -> None:
    """A limit on the size of files stands for the full disk: the spool's columns are 240,000 bytes each."""
    path, home = write(tmp_path, klines(FIRST, 30_000, 60)), tmp_path / "home"
    said = landed(
        """
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
        try:
            task.run()
        except PipelineError as error:
            print(error)
        """,
        path,
        home,
    )
    assert f"{home}/work cannot be written (File too large): free some space" in said
    assert "nothing was landed" in said
    assert Lake(str(home / "lake")).partitions() == []
    assert list((home / "work").iterdir()) == []
    assert "30,000 bars of 1m" in landed("task.run()", path, home)
    lake = Lake(str(home / "lake"))
    assert sum(lake.read(partition).num_rows for partition in lake.partitions()) == 30_000
    assert list((home / "work").iterdir()) == []


def test_months_are_handed_on_one_by_one(tmp_path: Path) -> None:
    path = write(tmp_path, klines(FIRST, 24 * 366))
    with archive.opened(path, None, datetime(2026, 1, 1, tzinfo=UTC), tmp_path / "work") as bars:
        months = [(month.isoformat(), table.num_rows) for month, table in bars.months()]
        assert bars.rows == 24 * 366
        assert len(list((tmp_path / "work").iterdir())) == 1
    assert list((tmp_path / "work").iterdir()) == []
    assert months[:3] == [("2024-01-01", 744), ("2024-02-01", 696), ("2024-03-01", 744)]
    assert len(months) == 12
    assert bars.complete_through.timestamp() == FIRST + HOUR * 24 * 366
