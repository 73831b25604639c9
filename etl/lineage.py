"""Where one day's bars came from: the raw objects that hold bars of it, and which of them are in force."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from btcql.calendar import DAY
from btcql.errors import LakeError
from btcql.records import Timeframe
from etl.prepare.month import month_manifests, prepare_month
from lake.manifest import Manifest, RawFile
from lake.path import Partition
from lake.schema import microseconds
from lake.store import Lake


@dataclass(frozen=True, slots=True)
class DayObject:
    """A raw object that holds `held` bars of the day, of which `in_force` are the day's."""

    partition: Partition
    file: RawFile
    held: int
    in_force: int
    chosen: bool

    @property
    def name(self) -> str:
        """The object's path below the lake's root."""
        return f"{self.partition}/{self.file.name}"


@dataclass(frozen=True, slots=True)
class DayLineage:
    """A day's best bars: their number, source and timeframe, and all objects that hold bars of the day.

    Objects are in the order of their partitions, and in each the newest first. `input_sha256` is that of
    the month, as the database's marker has it when it was loaded from this.
    """

    symbol: str
    day: date
    source: str
    timeframe: Timeframe
    bars: int
    objects: tuple[DayObject, ...]
    input_sha256: str


def day_lineage(lake: Lake, symbol: str, day: date) -> DayLineage:
    """Return where the lake's bars of a day come from; only that month's files are read, and verified.

    Raises LakeError for a day that the lake has no bars of, with the days that it has, and for a file
    that does not match its checksum.
    """
    month = day.replace(day=1)
    partitions = lake.partitions(symbol, month)
    if not partitions:
        raise _no_bars(lake, symbol, day)
    prepared = prepare_month(lake, symbol, month)
    rows = _of_day(prepared.table, day)
    if not rows.num_rows:
        raise _no_bars(lake, symbol, day)
    source = rows["source"][0].as_py()
    timeframe = next(kind for kind in Timeframe if kind.minutes == rows["minutes"][0].as_py())
    objects: list[DayObject] = []
    for manifest in month_manifests(lake, symbol, month):
        partition = manifest.partition
        chosen = (partition.source, partition.timeframe) == (source, timeframe)
        objects += _objects(lake, manifest, day, chosen=chosen)
    return DayLineage(symbol, day, source, timeframe, rows.num_rows, tuple(objects), prepared.input_sha256)


def described(request: Mapping[str, Any]) -> str:
    """Spell a request on one line: what was asked for, or which file was imported."""
    return ", ".join(f"{key} {value}" for key, value in request.items() if value != "")


def _objects(lake: Lake, manifest: Manifest, day: date, *, chosen: bool) -> list[DayObject]:
    found = []
    covered = np.array([], dtype=np.int64)
    for file, bars in reversed(lake.files(manifest.partition, manifest)):
        ts = microseconds(_of_day(bars, day))
        new = np.setdiff1d(ts, covered)
        covered = np.union1d(covered, ts)
        if len(ts):
            found.append(DayObject(manifest.partition, file, len(ts), len(new) if chosen else 0, chosen))
    return found


def _of_day(table: pa.Table, day: date) -> pa.Table:
    start = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1_000_000
    first, end = np.searchsorted(microseconds(table), [start, start + DAY])
    return table.slice(int(first), int(end - first))


def _no_bars(lake: Lake, symbol: str, day: date) -> LakeError:
    manifests = [manifest for manifest in lake.manifests(symbol) if manifest.files]
    if not manifests:
        known = ", ".join(lake.symbols())
        return LakeError(
            f"the lake {lake.root} has no bars of {symbol}: "
            + (f"it has {known}" if known else "it is empty")
        )
    first = min(file.first_ts for manifest in manifests for file in manifest.files)
    last = max(manifest.complete_through for manifest in manifests) - timedelta(microseconds=1)
    return LakeError(
        f"the lake {lake.root} has no bars of {symbol} on {day}: "
        f"its bars are of {first:%Y-%m-%d} to {last:%Y-%m-%d}"
    )
