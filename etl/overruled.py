"""Imported bars that the lake keeps, but that no day is taken from, for others are better."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from btcql.calendar import DAY
from database.lineage import MonthLoaded
from etl.prepare.month import prepare_month
from lake.manifest import Manifest, RawFile
from lake.receipt import Receipt
from lake.schema import microseconds
from lake.store import Lake


@dataclass
class Overruled:
    """A source's imported bars that are in no day of their months, and what those were taken from.

    `bars` are those of the files, `winning` the bars that these months, or those of their days, have instead.
    """

    symbol: str
    source: str
    bars: int = 0
    winning: int = 0
    months: tuple[date, ...] = ()
    winners: tuple[str, ...] = ()

    def __str__(self) -> str:
        first, last = min(self.months), max(self.months)
        when = f"{first:%Y-%m}" if first == last else f"{first:%Y-%m} to {last:%Y-%m}"
        return (
            f"{self.bars:,} bars of {self.symbol} landed as {self.source}, but are not chosen: the days of "
            f"{when} are taken from {', '.join(self.winners)}, which has {self.winning:,} bars there. "
            f"To correct those, give the same source: --source {' or '.join(self.winners)}"
        )


def overruled(lake: Lake, receipts: Iterable[Receipt], loaded: Mapping[date, MonthLoaded]) -> list[Overruled]:
    """Return what of one market's imports is in no day of its months as they are loaded, by source.

    Only months that are taken from this source and others are looked at bar by bar.
    """
    found: dict[str, Overruled] = {}
    for receipt in receipts:
        for partition in receipt.partitions:
            month = loaded.get(partition.month)
            manifest = lake.manifest(partition)
            if month is None or manifest is None or month.sources == {receipt.source}:
                continue
            files = [file for file in manifest.files if file.request.get("sha256") == receipt.sha256]
            bars, winning, winners = sum(file.rows for file in files), month.rows, month.sources
            if receipt.source in month.sources:
                bars, winning, winners = _lost_days(lake, manifest, files)
            if bars:
                own = found.setdefault(receipt.source, Overruled(receipt.symbol, receipt.source))
                own.bars += bars
                if partition.month not in own.months:
                    own.months += (partition.month,)
                    own.winning += winning
                    own.winners = tuple(sorted({*own.winners, *winners}))
    return list(found.values())


def _lost_days(lake: Lake, manifest: Manifest, files: list[RawFile]) -> tuple[int, int, frozenset[str]]:
    """Count the files' bars on days that are taken from other sources, and the bars of those; name them."""
    partition = manifest.partition
    days = [microseconds(bars) // DAY for file, bars in lake.files(partition, manifest) if file in files]
    held = np.concatenate([np.array([], dtype=np.int64), *days])
    table = prepare_month(lake, partition.symbol, partition.month).table
    others = table.filter(pc.not_equal(table["source"], partition.source))
    taken = microseconds(others) // DAY
    winning = np.isin(taken, held)
    winners = others["source"].filter(pa.array(winning)).unique().to_pylist()
    return int(np.isin(held, taken).sum()), int(winning.sum()), frozenset(winners)
