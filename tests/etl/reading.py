"""Reading a file of bars as the pipeline does, all at once."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pyarrow as pa

from btcql.records import Timeframe
from etl.sources import archive
from etl.sources.bars import Bars


def read_bars(path: Path, timeframe: Timeframe | None, now: datetime) -> Bars:
    """The file's bars, whole; nothing may be left where they were held meanwhile."""
    folder = path.parent / "work"
    try:
        with archive.opened(path, timeframe, now, folder) as bars:
            tables = [table for _, table in bars.months()]
            assert sum(table.num_rows for table in tables) == bars.rows
            return Bars(pa.concat_tables(tables), bars.timeframe, bars.complete_through, bars.notices)
    finally:
        assert not folder.exists() or not list(folder.iterdir())


def write(folder: Path, content: str | bytes, name: str = "prices.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path
