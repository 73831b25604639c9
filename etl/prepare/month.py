"""Prepare one month of a market: from verified raw files to the rows that are loaded."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import date, datetime

import pyarrow as pa
import pyarrow.compute as pc

from btcql.errors import LakeError
from btcql.records import SYNTHETIC
from database.quality import QualityWarning
from etl.prepare import duck
from etl.prepare.engine import Engine
from etl.prepare.quality import check_prepared, check_raw, sql
from lake.manifest import Manifest
from lake.path import Partition
from lake.schema import BARS
from lake.store import Lake

# Raised when the SQL beside would give other rows or warnings for the same input: every month is then
# prepared anew, and where only the warnings differ no bar is touched.
RULES_VERSION = 2

PREPARED: pa.Schema = pa.schema(
    [*BARS, pa.field("minutes", pa.int16(), nullable=False), pa.field("source", pa.string(), nullable=False)]
)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A month's best bars: `table` has the schema PREPARED, sorted by ts, unique.

    `sources` are those that `table` has rows of, sorted. `raw_objects` names what was read, as
    {object: path below the lake's root, sha256, imported: whether from a file}. Every bar that ended by
    `complete_through`, of the source that the month's last day is taken from, is in `table`. `warnings` say
    what is odd about it.
    """

    table: pa.Table
    sources: tuple[str, ...]
    raw_objects: tuple[dict[str, str | bool], ...]
    input_sha256: str
    complete_through: datetime
    warnings: tuple[QualityWarning, ...]

    @property
    def rows(self) -> int:
        """The number of bars."""
        return int(self.table.num_rows)


def month_inputs(lake: Lake, symbol: str) -> dict[date, str]:
    """Return the input's digest of every month of a market that can be prepared, oldest first."""
    by_month: dict[date, list[Manifest]] = {}
    for manifest in _without_made_up(lake.manifests(symbol), real=None):
        by_month.setdefault(manifest.partition.month, []).append(manifest)
    return {month: _digest(own) for month, own in sorted(by_month.items())}


def month_input(lake: Lake, symbol: str, month: date) -> str:
    """Return the digest of all that a month is prepared from; only manifests are read.

    Raises LakeError when the lake has nothing of that month.
    """
    return _digest(month_manifests(lake, symbol, month))


def prepare_month(lake: Lake, symbol: str, month: date, engine: Engine = duck.run_sql) -> Prepared:
    """Choose each day's best bars of a month (by its first day) from the lake's verified files.

    Raises LakeError, naming the file or the partitions, when a file does not match its checksum, the
    lake has nothing of that month, or the rows fail the checks around the work.
    """
    manifests = month_manifests(lake, symbol, month)
    files: list[pa.Table] = []
    objects: list[dict[str, str | bool]] = []
    for manifest in manifests:
        for number, (file, bars) in enumerate(lake.files(manifest.partition, manifest)):
            if not bars.num_rows:
                raise LakeError(
                    f"{manifest.partition}/{file.name} has no bars: remove it, land the month again"
                )
            files.append(_labelled(bars, manifest, number))
            objects.append(
                {
                    "object": f"{manifest.partition}/{file.name}",
                    "sha256": file.sha256,
                    "imported": file.imported,
                }
            )
    raw = pa.concat_tables(files)
    check_raw(engine, raw, _bounds(manifests[0].partition, None), manifests)
    table = engine(sql("best_bars"), raw_bar=raw).cast(PREPARED).combine_chunks()
    last = table.slice(table.num_rows - 1).to_pylist()[0]
    reach = {(m.partition.source, m.partition.timeframe.minutes): m.complete_through for m in manifests}
    complete_through = reach[last["source"], last["minutes"]]
    warnings = check_prepared(
        engine,
        _lasting(table),
        raw if len(manifests) > 1 else raw.slice(0, 0),
        _bounds(manifests[0].partition, complete_through),
        f"{symbol} {month:%Y-%m}",
    )
    return Prepared(
        table=table,
        sources=tuple(sorted(table["source"].unique().to_pylist())),
        raw_objects=tuple(objects),
        input_sha256=_digest(manifests),
        complete_through=complete_through,
        warnings=warnings,
    )


def month_manifests(lake: Lake, symbol: str, month: date) -> list[Manifest]:
    """Return what a month is prepared from: no made-up bars where the market has real ones.

    Raises LakeError when the lake has nothing of that month.
    """
    own = lake.manifests(symbol, month)
    if any(manifest.partition.source == SYNTHETIC for manifest in own):
        real = any(partition.source != SYNTHETIC for partition in lake.walk(symbol))
        own = _without_made_up(own, real=real)
    if not own:
        raise LakeError(
            f"the lake {lake.root} has no bars of {symbol} in {month:%Y-%m}: import or ingest them"
        )
    return own


def _without_made_up(manifests: list[Manifest], *, real: bool | None) -> list[Manifest]:
    """Leave out made-up bars where the market has real ones (None: if any of `manifests` is real)."""
    kept = [manifest for manifest in manifests if manifest.partition.source != SYNTHETIC]
    return kept if (bool(kept) if real is None else real) else manifests


def _digest(manifests: list[Manifest]) -> str:
    seen = [[manifest.partition.folder, manifest.input_sha256] for manifest in manifests]
    return hashlib.sha256(json.dumps([RULES_VERSION, seen]).encode()).hexdigest()


def _labelled(bars: pa.Table, manifest: Manifest, number: int) -> pa.Table:
    """Add to a file's bars what the SQL asks of raw_bar."""
    same = {
        "source": pa.scalar(manifest.partition.source),
        "minutes": pa.scalar(manifest.partition.timeframe.minutes, pa.int16()),
        "file_number": pa.scalar(number, pa.int32()),
        "files": pa.scalar(len(manifest.files), pa.int32()),
    }
    bars = _beside(_numbered(bars), "us")
    for name, value in same.items():
        bars = bars.append_column(name, pa.repeat(value, bars.num_rows))
    return bars


def _numbered(bars: pa.Table) -> pa.Table:
    """Add ts as a number: both engines reckon with it alike, and faster than with time zones."""
    return bars.append_column("us", bars["ts"].cast(pa.int64()))


def _lasting(table: pa.Table) -> pa.Table:
    """Make of prepared rows what the SQL asks of bar."""
    minutes = table["minutes"].cast(pa.int64())
    bars = _numbered(table.set_column(table.column_names.index("minutes"), "minutes", minutes))
    until = pc.add(bars["us"], pc.multiply(minutes, 60_000_000))
    return _beside(bars.append_column("until_us", until), "us", "until_us", "close", "minutes", "source")


def _beside(bars: pa.Table, *names: str) -> pa.Table:
    """Add to each row columns of the row before it: tables have no order in SQL, and a window costs more."""
    for name in names:
        column = bars[name].combine_chunks()
        before = pa.concat_arrays([pa.nulls(1, column.type), column.slice(0, len(column) - 1)])
        bars = bars.append_column(f"before_{name}", before)
    return bars


def _bounds(partition: Partition, through: datetime | None) -> pa.Table:
    """Return the SQL's table month, in microseconds since the epoch."""
    instants = {"starts_us": partition.start, "ends_us": partition.end}
    if through:
        instants["through_us"] = through
    return pa.table({name: [int(at.timestamp()) * 1_000_000] for name, at in instants.items()})
