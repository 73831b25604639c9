"""The receipt: the completeness marker of a whole import, written after all of its partitions."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

from btcql.records import Timeframe
from lake.document import Fields, reading, stamped
from lake.path import Partition, hive

RECEIPT = "receipt"


@dataclass(frozen=True, slots=True)
class Receipt:
    """One imported file as one source's bars: `sha256` is that of the file's own bytes."""

    sha256: str
    symbol: str
    source: str
    timeframe: Timeframe
    name: str
    rows: int
    complete_through: datetime
    landed_at: datetime
    partitions: tuple[Partition, ...]

    @property
    def path(self) -> str:
        """The receipt's path below the lake's root."""
        return f"{receipt_folder(self.symbol, self.source, self.timeframe)}/{self.sha256}.json"

    def to_json(self) -> str:
        """Return the receipt as it is kept, ending in a newline."""
        content = {
            "sha256": self.sha256,
            "symbol": self.symbol,
            "source": self.source,
            "timeframe": self.timeframe.value,
            "name": self.name,
            "rows": self.rows,
            "complete_through": stamped(self.complete_through),
            "landed_at": stamped(self.landed_at),
            "partitions": [partition.folder for partition in self.partitions],
        }
        return json.dumps(content, indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, content: bytes, name: str) -> Receipt:
        """Read a receipt strictly; anything unexpected is a LakeError that names the file."""
        with reading("receipt", name):
            fields = Fields(json.loads(content))
            receipt = cls(
                sha256=fields.take("sha256", str),
                symbol=fields.take("symbol", str),
                source=fields.take("source", str),
                timeframe=Timeframe(fields.take("timeframe", str)),
                name=fields.take("name", str),
                rows=fields.take("rows", int),
                complete_through=fields.instant("complete_through"),
                landed_at=fields.instant("landed_at"),
                partitions=tuple(Partition.parse(folder) for folder in fields.take("partitions", list)),
            )
            fields.end()
            return receipt


def receipt_folder(symbol: str, source: str, timeframe: Timeframe) -> str:
    """Return the folder, below the lake's root, of the receipts of one source's bars of one symbol."""
    return "/".join(
        [RECEIPT, hive("source", source), hive("symbol", symbol), hive("timeframe", timeframe.value)]
    )
