"""Repair of the lake: what is not as it was published, remade to the same bytes from what is left of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import pyarrow as pa

from btcql.errors import BtcqlError
from btcql.records import SYNTHETIC, Timeframe
from etl.sources import archive
from etl.sources.sample import sample_bars
from lake.damage import Damage
from lake.manifest import RawFile
from lake.original import file_sha256
from lake.path import MANIFEST, Partition
from lake.schema import by_month, to_parquet
from lake.store import Lake


@dataclass(frozen=True, slots=True)
class Repairs:
    """The names of the files that are whole again, and a line with the way out for each that is not."""

    restored: tuple[str, ...]
    left: tuple[str, ...]


def repair(lake: Lake, copies: Iterable[Path], work_folder: Path) -> Repairs:
    """Restore every damaged or missing file whose very bytes can be had, each checked by its hash.

    `copies` are files outside the lake: of what was imported, or of the lake's own. `work_folder` holds
    what is read meanwhile. Raises InputError for a copy that cannot be read, LakeError as the lake does.
    """
    by_sha256 = {file_sha256(path): path for path in copies}
    restored, left = [], []
    # Imported files first: bars are remade from them.
    for damage in sorted(lake.damage(), key=lambda damage: damage.file is not None):
        reason = _repair(lake, damage, by_sha256, work_folder)
        if reason:
            left.append(reason)
        else:
            restored.append(damage.name)
    return Repairs(tuple(restored), tuple(left))


def _repair(lake: Lake, damage: Damage, copies: dict[str, Path], work_folder: Path) -> str:
    """Restore one file; return why that cannot be, with the way out, or nothing."""
    if damage.partition is None or damage.file is None:
        copy = copies.get(damage.sha256)
        if copy:
            lake.restore_original(damage, copy)
            return ""
        return f"{lake.path(damage.name)}: {_ask_for(damage)}" if damage.sha256 else damage.problem
    partition, file = damage.partition, damage.file
    copy = copies.get(file.sha256)
    if copy:
        lake.restore(damage, copy.read_bytes())
        return ""
    said = ""
    try:
        table = _remade(lake, partition, file, copies, work_folder)
    except BtcqlError as error:
        table, said = None, f" ({error})"
    if table is not None:
        if lake.restore(damage, to_parquet(table)):
            return ""
        said = f" (what is remade has other bytes; it was written by another pyarrow than {pa.__version__})"
    return f"{lake.path(damage.name)}: {_ways_out(partition, file)}{said}"


def _remade(
    lake: Lake, partition: Partition, file: RawFile, copies: dict[str, Path], work_folder: Path
) -> pa.Table | None:
    """Return a file's bars as they were made from an import or as the sample, None for fetched ones."""
    if partition.source == SYNTHETIC:
        through = date.fromisoformat(file.request["sample_through"])
        bars = sample_bars(datetime.combine(through, time(), UTC))[partition.timeframe]
        return dict(by_month(bars)).get(partition.month)
    sha256 = file.request.get("sha256")
    if not sha256:
        return None
    if sha256 in copies:
        return _read(copies[sha256], partition, file, work_folder)
    with lake.original(sha256) as path:
        return _read(path, partition, file, work_folder)


def _read(path: Path, partition: Partition, file: RawFile, work_folder: Path) -> pa.Table | None:
    given = file.request.get("timeframe")
    with archive.opened(path, Timeframe(given) if given else None, file.fetched_at, work_folder) as bars:
        return next((table for month, table in bars.months() if month == partition.month), None)


def _ask_for(damage: Damage) -> str:
    name = damage.name.rpartition("/")[2]
    return f"nothing in the lake has its bytes: btcql lake repair {name}, with the file that was imported"


def _ways_out(partition: Partition, file: RawFile) -> str:
    if "sha256" in file.request or partition.source == SYNTHETIC:
        return f"btcql lake repair {file.request.get('name', 'COPY')}, with the file that was imported"
    last = partition.end.date() - timedelta(days=1)
    return (
        f"nothing in the lake has its bytes: btcql lake repair COPY, with a copy of it; or remove the "
        f"month's {MANIFEST} and fetch it again: btcql ingest --source {partition.source} --symbol "
        f"{partition.symbol} --timeframe {partition.timeframe} --from {partition.month} --to {last}"
    )
