"""The raw lake: what is published, what can be read of it, and whether it is whole.

raw/source=<s>/symbol=<BTC-USD>/timeframe=<1m|1h|1d>/month=<YYYY-MM>/part-*.parquet, manifest.json
original/<sha256>/<name>                            an imported file's own bytes
receipt/source=<s>/symbol=<s>/timeframe=<t>/<sha256>.json     the marker of a whole import
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from btcql.errors import LakeError
from btcql.records import Timeframe, utc
from lake import original
from lake.files import Files
from lake.manifest import Manifest, RawFile
from lake.path import MANIFEST, RAW, Partition, hive, part_name
from lake.receipt import RECEIPT, Receipt, receipt_folder
from lake.schema import check_bars, from_parquet, merged, same_bars, span, to_parquet


class Lake:
    """The raw lake at `root`; opening it touches nothing, the first write makes it.

    Every method raises LakeError, naming the file, for a lake that is damaged or cannot be written.
    """

    def __init__(self, root: str) -> None:
        self.root = root
        self._files = Files(root)

    def publish(
        self,
        partition: Partition,
        bars: pa.Table,
        *,
        request: Mapping[str, Any],
        complete_through: datetime,
        fetched_at: datetime,
    ) -> bool:
        """Add bars (schema BARS, of this month, none still forming) and return whether that changed anything.

        Bars that are all there already with the same values add nothing unless `complete_through`
        reaches further; it is cut at the month's end and never goes back. Safe against other processes.
        """
        check_bars(bars, partition)
        first, last, end = span(bars, partition.timeframe)
        reach = min(utc(complete_through), partition.end)
        if end > reach:
            raise LakeError(f"{partition}: the bar of {last} is still forming, for data end at {reach}")
        with self._files.locked(_series(partition.source, partition.symbol, partition.timeframe)):
            self._files.remove_temporary(partition.folder)
            known = self.manifest(partition)
            files, part = known.files if known else (), b""
            if known is None or not same_bars(bars, self.read(partition)):
                part = to_parquet(bars)
                sha256 = hashlib.sha256(part).hexdigest()
                name = part_name(first, end, sha256)
                added = RawFile(name, sha256, bars.num_rows, first, last, utc(fetched_at), dict(request))
                # bars that go back to an earlier file's values move that file to the end, where it wins
                files = (*(file for file in files if file.name != name), added)
            reach = max(reach, known.complete_through) if known else reach
            if known and (known.files, known.complete_through) == (files, reach):
                return False
            manifest = Manifest(partition, known.version + 1 if known else 1, files, reach)
            content = manifest.to_json().encode()
            if part:
                self._files.publish(f"{partition.folder}/{files[-1].name}", [part])
            self._files.publish(f"{partition.folder}/{MANIFEST}", [content])
            return True

    def manifest(self, partition: Partition) -> Manifest | None:
        """Return the partition's manifest, None when nothing was published there."""
        name = f"{partition.folder}/{MANIFEST}"
        if not self._files.exists(name):
            return None
        manifest = Manifest.from_json(self._files.read(name), self._files.path(name))
        if manifest.partition != partition:
            raise LakeError(f"{self._files.path(name)} describes {manifest.partition}, not its own folder")
        return manifest

    def partitions(self, symbol: str | None = None, month: date | None = None) -> list[Partition]:
        """Return the partitions that have a manifest, sorted; only those of `symbol` and `month` if given."""
        return sorted(self.walk(symbol, month))

    def walk(self, symbol: str | None = None, month: date | None = None) -> Iterator[Partition]:
        """Yield as `partitions`, one by one in the order of the folders."""
        for folder in self._folders(symbol, month):
            if self._files.exists(f"{folder}/{MANIFEST}"):
                yield Partition.parse(folder)

    def symbols(self) -> list[str]:
        """Return the symbols that have bars, sorted."""
        return sorted({partition.symbol for partition in self.walk()})

    def files(self, partition: Partition, manifest: Manifest | None = None) -> list[tuple[RawFile, pa.Table]]:
        """Return the partition's files, oldest first, each with its bars as they were published.

        With a manifest read before, exactly what it lists. Every checksum is verified on the very
        bytes that are decoded; a file that is missing or differs raises LakeError. No manifest: empty.
        """
        manifest = manifest or self.manifest(partition)
        return [(file, self._verified(partition, file)) for file in manifest.files] if manifest else []

    def read(self, partition: Partition) -> pa.Table:
        """Return the bars in force, sorted by ts, unique: a later file wins. LakeError without any."""
        tables = [table for _, table in self.files(partition)]
        if not tables:
            raise LakeError(f"{self._files.path(partition.folder)} has no bars: import or ingest them first")
        return merged(tables)

    def _verified(self, partition: Partition, file: RawFile) -> pa.Table:
        name = f"{partition.folder}/{file.name}"
        content = self._files.read(name)
        if hashlib.sha256(content).hexdigest() != file.sha256:
            raise LakeError(
                f"{self._files.path(name)} does not match its checksum: restore it from a copy, or remove "
                f"it with its {MANIFEST} and land the month again"
            )
        return from_parquet(content, self._files.path(name))

    def keep_original(self, path: Path, sha256: str) -> None:
        """Copy an imported file's own bytes into the lake, once; InputError if they changed meanwhile."""
        original.keep(self._files, path, sha256)

    def original(self, sha256: str) -> Path:
        """Return the kept copy of an imported file; LakeError when there is none."""
        return original.find(self._files, sha256)

    def receipt(self, sha256: str, symbol: str, source: str, timeframe: Timeframe | None) -> Receipt | None:
        """Return the receipt of a file's import; without a timeframe, whichever it was imported as."""
        for candidate in (timeframe,) if timeframe else Timeframe:
            name = f"{receipt_folder(symbol, source, candidate)}/{sha256}.json"
            if self._files.exists(name):
                return Receipt.from_json(self._files.read(name), self._files.path(name))
        return None

    def write_receipt(self, receipt: Receipt) -> None:
        """Mark an import as whole; LakeError unless every partition that it lists is published."""
        for partition in receipt.partitions:
            if self.manifest(partition) is None:
                raise LakeError(f"{partition} is not in the lake: {receipt.name} was not landed whole")
        with self._files.locked(_series(receipt.source, receipt.symbol, receipt.timeframe)):
            self._files.publish(receipt.path, [receipt.to_json().encode()])

    def remove(self, symbol: str, source: str) -> list[Partition]:
        """Remove a source's bars of a symbol; return the partitions that are gone.

        Markers go before what they vouch for (receipts, manifests, files), so that an interrupted
        removal leaves no promise unkept, and the next one finishes it.
        """
        removed = []
        for timeframe in Timeframe:
            with self._files.locked(_series(source, symbol, timeframe)):
                receipts = receipt_folder(symbol, source, timeframe)
                for name in self._files.names(receipts):
                    self._files.remove(f"{receipts}/{name}")
                self._files.remove_folder(receipts)
                own = [
                    Partition.parse(folder)
                    for folder in self._files.tree(_bars_folder(source, symbol, timeframe), 1)
                ]
                for partition in own:
                    if self._files.exists(f"{partition.folder}/{MANIFEST}"):
                        self._files.remove(f"{partition.folder}/{MANIFEST}")
                        removed.append(partition)
                for partition in own:
                    for name in self._files.names(partition.folder):
                        self._files.remove(f"{partition.folder}/{name}")
                    self._files.remove_temporary(partition.folder)
                    self._files.remove_folder(partition.folder)
        return sorted(removed)

    def verify(self) -> list[str]:
        """Read everything and return one line for each thing that is wrong; empty when the lake is whole."""
        problems = []
        for partition in self.partitions():
            try:
                manifest = self.manifest(partition)
            except LakeError as error:
                problems.append(str(error))
                continue
            for file in manifest.files if manifest else ():
                try:
                    table = self._verified(partition, file)
                    check_bars(table, partition)
                    if (table.num_rows, *span(table, partition.timeframe)[:2]) != _described(file):
                        problems.append(f"{partition}/{file.name} is not as its {MANIFEST} describes it")
                except LakeError as error:
                    problems.append(str(error))
        return [*problems, *original.wrong(self._files), *self._wrong_receipts()]

    def _wrong_receipts(self) -> Iterator[str]:
        for name in self._files.tree(RECEIPT, 4):
            try:
                receipt = Receipt.from_json(self._files.read(name), self._files.path(name))
            except LakeError as error:
                yield str(error)
                continue
            for partition in receipt.partitions:
                if not self._files.exists(f"{partition.folder}/{MANIFEST}"):
                    yield f"{self._files.path(name)} lists {partition}, which has no {MANIFEST}"

    def sweep(self) -> int:
        """Remove temporary files that writers left over an hour ago; return how many there were."""
        return self._files.sweep()

    def _folders(self, symbol: str | None, month: date | None) -> Iterator[str]:
        """Yield the folders that partitions have or would have, with a manifest or not."""
        for source in self._files.names(RAW):
            for level in self._files.names(f"{RAW}/{source}"):
                if symbol is None or level == hive("symbol", symbol):
                    for timeframe in self._files.tree(f"{RAW}/{source}/{level}", 1):
                        if month:
                            yield f"{timeframe}/{hive('month', f'{month:%Y-%m}')}"
                        else:
                            yield from self._files.tree(timeframe, 1)


def _described(file: RawFile) -> tuple[int, datetime, datetime]:
    return file.rows, file.first_ts, file.last_ts


def _bars_folder(source: str, symbol: str, timeframe: Timeframe) -> str:
    return "/".join([RAW, hive("source", source), hive("symbol", symbol), hive("timeframe", timeframe.value)])


def _series(source: str, symbol: str, timeframe: Timeframe) -> str:
    """Name the lock of all writers of one source's bars of one symbol."""
    return _bars_folder(source, symbol, timeframe).replace("/", ",")
