"""Importing a file into a lake as the pipeline does, without a pipeline."""

from __future__ import annotations

from pathlib import Path

from etl.sources import archive
from lake.original import file_sha256
from lake.path import Partition
from lake.store import Lake
from tests.lake.bars import FETCHED_AT, publish


def land(lake: Lake, path: Path, work: Path) -> None:
    sha256 = file_sha256(path)
    with archive.opened(path, None, FETCHED_AT, work) as found:
        lake.keep_original(path, sha256)
        for month, table in found.months():
            where = Partition("bitstamp", "BTC-USD", found.timeframe, month)
            publish(lake, where, table, name=path.name, sha256=sha256, timeframe="")
