"""An import whose lake refuses to be written in the middle: no marker, nothing half there, and it goes on."""

from __future__ import annotations

from collections import Counter
from datetime import date
from pathlib import Path

from lake.store import Lake
from tests.cli.files import daily_rows, write_csv
from tests.lake.places import S3Place
from tests.lake.processes import outcome, started
from tests.lake.s3 import Environ, S3Server, error

LAND = """
from pathlib import Path
from btcql.errors import LakeError
from etl.landing import LandFile
from etl.task import places
from lake.original import file_sha256

path, work = Path(sys.argv[1]), sys.argv[2]
for address in sys.argv[3:]:
    task = LandFile(
        **places(address, "postgresql://nobody@nowhere/", work),
        name=path.name, sha256=file_sha256(path), symbol="BTC-USD", source="bitstamp", path=str(path),
    )
    try:
        task.run()
    except LakeError as refused:
        print(refused)
    published = [f"{partition.month:%m}" for partition in task.lake.partitions()]
    print(task.complete(), *published, *task.lake.verify())
    task.run()
    assert task.complete()
"""
REFUSALS = {
    "503": error("503 Slow Down", "SlowDown", "Please reduce your request rate."),
    "403": error("403 Forbidden", "AccessDenied", "Access Denied"),
}
# What is refused, how, and the months that are then published.
MIDDLES = {
    "original/": ("403", ""),
    "month=2022-02/manifest.json": ("503", "01"),
    "month=2022-03/part-": ("403", "01 02"),
    "receipt/": ("503", "01 02 03 04"),
}


def test_writes_that_s3_refuses_in_the_middle_leave_no_marker_and_the_next_run_goes_on(
    s3: S3Server, tmp_path: Path
) -> None:
    path = write_csv(tmp_path / "days.csv", daily_rows(100))
    place = S3Place(s3, s3.make_bucket())
    lakes = {f"{place.address}/{number}": middle for number, middle in enumerate(MIDDLES)}
    refused: Counter[str] = Counter()

    def refuse_for_a_run(environ: Environ) -> tuple[str, str] | None:
        asked = environ["PATH_INFO"].encode("latin-1").decode()
        address = next((known for known in lakes if f"{known.removeprefix('s3:/')}/" in asked), "")
        if environ["REQUEST_METHOD"] != "PUT" or not address or lakes[address] not in asked:
            return None
        status, _ = MIDDLES[lakes[address]]
        refused[address] += 1
        # what may pass is tried twice, as AWS_MAX_ATTEMPTS says
        return REFUSALS[status] if refused[address] <= (2 if status == "503" else 1) else None

    s3.fault = refuse_for_a_run
    code, said = outcome(started(LAND, str(path), str(tmp_path), *lakes))
    assert code == 0, said
    lines = said.splitlines()
    assert len(lines) == 2 * len(lakes), said
    for (address, middle), why, state in zip(lakes.items(), lines[::2], lines[1::2], strict=True):
        status, published = MIDDLES[middle]
        assert why.startswith(f"{address}/")
        assert middle in why
        assert ("SlowDown" if status == "503" else "AccessDenied") in why
        assert state == f"False {published}".strip(), "no receipt, whole months only, nothing damaged"
        lake = Lake(address)
        assert [partition.month for partition in lake.partitions()] == [
            date(2022, month, 1) for month in range(1, 5)
        ]
        assert lake.verify() == []
