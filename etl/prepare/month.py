"""Prepare one month of a market: from verified raw files to the rows that are loaded."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from importlib.resources import files

import numpy as np
import pyarrow as pa

from btcql.errors import LakeError
from btcql.records import SYNTHETIC, Timeframe
from etl.prepare import duck
from etl.prepare.engine import Engine
from lake.manifest import Manifest
from lake.path import Partition
from lake.schema import BARS, check_bars, microseconds
from lake.store import Lake

# raised when best_bars.sql would give other rows for the same input: every month is then loaded anew
RULES_VERSION = 1

PREPARED: pa.Schema = pa.schema(
    [*BARS, pa.field("minutes", pa.int16(), nullable=False), pa.field("source", pa.string(), nullable=False)]
)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A month's best bars: `table` has the schema PREPARED, sorted by ts, unique.

    `sources` are those that `table` has rows of, sorted. `raw_objects` names what was read, as
    {object: path below the lake's root, sha256}. Every bar that ended by `complete_through`, of the
    source that the month's last day is taken from, is in `table`.
    """

    table: pa.Table
    sources: tuple[str, ...]
    raw_objects: tuple[dict[str, str], ...]
    input_sha256: str
    complete_through: datetime

    @property
    def rows(self) -> int:
        """The number of bars."""
        return int(self.table.num_rows)


def month_inputs(lake: Lake, symbol: str) -> dict[date, str]:
    """Return the input's digest of every month of a market that can be prepared, oldest first."""
    manifests = {manifest.partition: manifest for manifest in lake.manifests(symbol)}
    by_month: dict[date, list[Manifest]] = {}
    for partition in _without_made_up(list(manifests), real=None):
        by_month.setdefault(partition.month, []).append(manifests[partition])
    return {month: _digest(own) for month, own in sorted(by_month.items())}


def month_input(lake: Lake, symbol: str, month: date) -> str:
    """Return the digest of all that a month is prepared from; only manifests are read.

    Raises LakeError when the lake has nothing of that month.
    """
    return _digest(_manifests(lake, month_partitions(lake, symbol, month)))


def prepare_month(lake: Lake, symbol: str, month: date, engine: Engine = duck.run_sql) -> Prepared:
    """Choose each day's best bars of a month (by its first day) from the lake's verified files.

    Raises LakeError, naming the file or the partitions, when a file does not match its checksum, the
    lake has nothing of that month, or the rows fail the checks around the work.
    """
    manifests = _manifests(lake, month_partitions(lake, symbol, month))
    raw, objects = [], []
    for manifest in manifests:
        for number, (file, bars) in enumerate(lake.files(manifest.partition, manifest)):
            check_bars(bars, manifest.partition)
            raw.append(_labelled(bars, manifest.partition, number))
            objects.append({"object": f"{manifest.partition}/{file.name}", "sha256": file.sha256})
    table = engine(_best_bars(), raw_bar=pa.concat_tables(raw)).cast(PREPARED).combine_chunks()
    _check(table, manifests)
    last = table.slice(table.num_rows - 1).to_pylist()[0]
    reach = {(m.partition.source, m.partition.timeframe.minutes): m.complete_through for m in manifests}
    return Prepared(
        table=table,
        sources=tuple(sorted(table["source"].unique().to_pylist())),
        raw_objects=tuple(objects),
        input_sha256=_digest(manifests),
        complete_through=reach[last["source"], last["minutes"]],
    )


@cache
def _best_bars() -> str:
    return files("etl.prepare").joinpath("best_bars.sql").read_text(encoding="utf-8")


def month_partitions(lake: Lake, symbol: str, month: date) -> list[Partition]:
    """Return what a month is prepared from: no made-up bars where the market has real ones.

    Raises LakeError when the lake has nothing of that month.
    """
    own = lake.partitions(symbol, month)
    if any(partition.source == SYNTHETIC for partition in own):
        real = any(partition.source != SYNTHETIC for partition in lake.walk(symbol))
        own = _without_made_up(own, real=real)
    if not own:
        raise LakeError(
            f"the lake {lake.root} has no bars of {symbol} in {month:%Y-%m}: import or ingest them"
        )
    return own


def _without_made_up(partitions: list[Partition], *, real: bool | None) -> list[Partition]:
    """Leave out made-up bars where the market has real ones (None: if any of `partitions` is real)."""
    kept = [partition for partition in partitions if partition.source != SYNTHETIC]
    return kept if (bool(kept) if real is None else real) else partitions


def _manifests(lake: Lake, partitions: list[Partition]) -> list[Manifest]:
    return [found for partition in partitions if (found := lake.manifest(partition))]


def _digest(manifests: list[Manifest]) -> str:
    seen = [[manifest.partition.folder, manifest.input_sha256] for manifest in manifests]
    return hashlib.sha256(json.dumps([RULES_VERSION, seen]).encode()).hexdigest()


def _labelled(bars: pa.Table, partition: Partition, number: int) -> pa.Table:
    """Add to a file's bars what best_bars.sql asks of raw_bar."""
    rows = bars.num_rows
    return (
        bars.append_column("source", pa.repeat(pa.scalar(partition.source), rows))
        .append_column("minutes", pa.repeat(pa.scalar(partition.timeframe.minutes, pa.int16()), rows))
        .append_column("file_number", pa.repeat(pa.scalar(number, pa.int32()), rows))
    )


def _check(table: pa.Table, manifests: list[Manifest]) -> None:
    """Raise LakeError unless the rows are what a month of the manifests' bars can be."""
    start, end = manifests[0].partition.start, manifests[0].partition.end
    ts = microseconds(table)
    most = int((end - start) / Timeframe.MINUTE.length)
    wrong = ""
    if not 0 < len(ts) <= most:
        wrong = f"{len(ts)} rows, where a month has 1 to {most}"
    elif (np.diff(ts) <= 0).any():
        wrong = "rows that are not in strictly ascending order of time"
    elif ts[0] < start.timestamp() * 1e6 or ts[-1] >= end.timestamp() * 1e6:
        wrong = "rows outside the month"
    elif any(column.null_count for column in table.columns):
        wrong = "rows with empty values"
    if wrong:
        raise LakeError(f"preparing {', '.join(str(m.partition) for m in manifests)} gave {wrong}")
