"""What of a lake is not as it was published: every file read, every checksum compared."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from btcql.errors import LakeError
from lake import original
from lake.files import Files
from lake.manifest import Manifest, RawFile
from lake.path import MANIFEST, RAW, Partition
from lake.receipt import RECEIPT, Receipt
from lake.schema import check_bars, from_parquet, span


@dataclass(frozen=True, slots=True)
class Damage:
    """One file that is not as it was published, and what is wrong with it.

    Of bars also what they are; of bars and imported files the hash of the bytes that they had.
    """

    name: str
    problem: str
    partition: Partition | None = None
    file: RawFile | None = None
    sha256: str = ""


def find_damage(files: Files) -> Iterator[Damage]:
    """Read everything and yield one Damage for each thing that is wrong."""
    published = set()
    for name in files.find(RAW, None, None, None, None, MANIFEST):
        partition = Partition.parse(name.rpartition("/")[0])
        published.add(partition)
        try:
            manifest = read_manifest(files, partition)
        except LakeError as error:
            yield Damage(name, str(error))
            continue
        for file in manifest.files if manifest else ():
            problem = _problem(files, partition, file)
            if problem:
                yield Damage(f"{partition}/{file.name}", problem, partition, file, file.sha256)
    for name, sha256 in original.wrong(files):
        yield Damage(name, original.damaged(files, name), sha256=sha256)
    yield from _wrong_receipts(files, published)


def read_manifest(files: Files, partition: Partition) -> Manifest | None:
    """Return the partition's manifest, None when there is none."""
    name = f"{partition}/{MANIFEST}"
    seen = files.current(name)
    return Manifest.of(partition, seen.content, files.path(name)) if seen else None


def _problem(files: Files, partition: Partition, file: RawFile) -> str:
    name = f"{partition}/{file.name}"
    try:
        table = from_parquet(original.checked(files, name, files.read(name), file.sha256), files.path(name))
        check_bars(table, partition)
    except LakeError as error:
        return str(error)
    if (table.num_rows, *span(table, partition.timeframe)[:2]) == _described(file):
        return ""
    return f"{name} is not as its {MANIFEST} describes it"


def _described(file: RawFile) -> tuple[int, datetime, datetime]:
    return file.rows, file.first_ts, file.last_ts


def _wrong_receipts(files: Files, published: set[Partition]) -> Iterator[Damage]:
    for name in files.find(RECEIPT, None, None, None, None):
        try:
            receipt = Receipt.from_json(files.read(name), files.path(name))
        except LakeError as error:
            yield Damage(name, str(error))
            continue
        for partition in receipt.partitions:
            if partition not in published:
                yield Damage(
                    name,
                    f"{files.path(name)} lists {partition}, which has no {MANIFEST}: "
                    f"import {receipt.name} again",
                )
