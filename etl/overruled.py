"""Imported bars that the lake keeps, but that no day is taken from, for others are better."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from database.lineage import MonthLoaded
from lake.receipt import Receipt
from lake.store import Lake


@dataclass
class Overruled:
    """A source's imported bars that are in no day of their months, and what those were taken from.

    `bars` are those of the files, `winning` the bars that these months have instead.
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
    """Return what of one market's imports is in no bar of its months as they are loaded, by source."""
    found: dict[str, Overruled] = {}
    for receipt in receipts:
        for partition in receipt.partitions:
            month = loaded.get(partition.month)
            manifest = lake.manifest(partition)
            if month is None or manifest is None or receipt.source in month.sources:
                continue
            own = found.setdefault(receipt.source, Overruled(receipt.symbol, receipt.source))
            own.bars += sum(
                file.rows for file in manifest.files if file.request.get("sha256") == receipt.sha256
            )
            if partition.month not in own.months:
                own.months += (partition.month,)
                own.winning += month.rows
                own.winners = tuple(sorted({*own.winners, *month.sources}))
    return list(found.values())
