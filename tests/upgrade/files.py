"""The files that an older version was given: days, then hours, then minutes, with holes; two markets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random


@dataclass(frozen=True)
class Stretch:
    """Bars of one length, as one file; `decimals` are the prices', `hole` numbers the bars left out."""

    name: str
    symbol: str
    first: datetime
    length: timedelta
    bars: int
    price: float
    decimals: int
    hole: range

    def rows(self) -> Iterator[str]:
        """Yield the lines of the file, from the seed that its name is."""
        random = Random(self.name)
        before = self.price
        for number in range(self.bars):
            close = round(before * (1 + random.uniform(-0.02, 0.02)), self.decimals)
            top = round(max(before, close) * (1 + random.uniform(0, 0.01)), self.decimals)
            bottom = round(min(before, close) * (1 - random.uniform(0, 0.01)), self.decimals)
            volume = round(random.uniform(0, 9), 8)
            if number not in self.hole:
                start = self.first + number * self.length
                prices = ",".join(f"{price:.{self.decimals}f}" for price in (before, top, bottom, close))
                yield f"{start:%Y-%m-%dT%H:%M:%SZ},{prices},{volume:.8f}"
            before = close


AS_OF = "2023-12-20"
# Enough days for a forecast, and little of the rest: what an older version made of it is kept as text.
STRETCHES = (
    Stretch(
        "days.csv",
        "BTC-USD",
        datetime(2022, 11, 1, tzinfo=UTC),
        timedelta(days=1),
        426,
        431.7,
        2,
        range(129, 131),
    ),
    Stretch(
        "hours.csv",
        "BTC-USD",
        datetime(2024, 1, 1, tzinfo=UTC),
        timedelta(hours=1),
        60,
        512.3,
        2,
        range(30, 33),
    ),
    Stretch(
        "minutes.csv",
        "BTC-USD",
        datetime(2024, 1, 4, tzinfo=UTC),
        timedelta(minutes=1),
        150,
        498.06,
        2,
        range(71, 90),
    ),
    Stretch(
        "tiny.csv",
        "TINY-BTC",
        datetime(2024, 1, 31, 23, tzinfo=UTC),
        timedelta(minutes=1),
        120,
        0.00012345,
        8,
        range(0),
    ),
)


def write_files(folder: Path) -> list[tuple[Path, str]]:
    """Write each stretch into the folder; return the files with their symbols."""
    written = []
    for stretch in STRETCHES:
        path = folder / stretch.name
        path.write_text("\n".join(["timestamp,open,high,low,close,volume", *stretch.rows()]) + "\n")
        written.append((path, stretch.symbol))
    return written
