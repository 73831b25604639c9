"""The raw lake: what is published, what can be read of it, and whether it is whole.

raw/source=<s>/symbol=<BTC-USD>/timeframe=<1m|1h|1d>/month=<YYYY-MM>/part-*.parquet, manifest.json
original/<sha256>/<name>                            an imported file's own bytes
receipt/source=<s>/symbol=<s>/timeframe=<t>/<sha256>.json     the marker of a whole import
"""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from btcql.errors import LakeError
from btcql.records import Timeframe, utc
from lake import original
from lake.address import files_at
from lake.damage import Damage, find_damage, read_manifest
from lake.manifest import Manifest, RawFile
from lake.path import MANIFEST, RAW, Partition, hive, part_name
from lake.receipt import Receipt, receipt_folder
from lake.schema import check_bars, from_parquet, merged, same_bars, span, to_parquet

_ROUNDS = 30  # each one lost is another writer's won, so this many are only lost to a crowd
_LONGEST_WAIT_SECONDS = 1.0


class Lake:
    """The raw lake at an address; opening it touches nothing, the first write makes it.

    `root` is the address as it may be shown. Every method raises LakeError, naming the file, for a lake
    that is damaged or cannot be reached or written.
    """

    def __init__(self, address: str) -> None:
        self._files = files_at(address)
        self.root = self._files.root

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
        series = _series(partition.source, partition.symbol, partition.timeframe)
        with self._files.exclusive(series, partition.folder):
            for tried in range(_ROUNDS):
                changed = self._publish(partition, bars, dict(request), (first, last, end), reach, fetched_at)
                if changed is not None:
                    return changed
                # another's was faster; who lost once more waits longer, so that they come apart
                time.sleep(random.uniform(0, min(0.01 * 2**tried, _LONGEST_WAIT_SECONDS)))  # noqa: S311
        raise LakeError(
            f"{self._files.path(partition.folder)}: others changed its {MANIFEST} {_ROUNDS} times "
            "while this one was published: run it again when they are done"
        )

    def _publish(
        self,
        partition: Partition,
        bars: pa.Table,
        request: dict[str, Any],
        reached: tuple[datetime, datetime, datetime],
        reach: datetime,
        fetched_at: datetime,
    ) -> bool | None:
        """Read, merge, publish; return whether that changed anything, None when another was faster."""
        name = f"{partition}/{MANIFEST}"
        seen = self._files.current(name)
        known = Manifest.of(partition, seen.content, self._files.path(name)) if seen else None
        files, part = known.files if known else (), b""
        if known is None or not same_bars(bars, merged([table for _, table in self.files(partition, known)])):
            part = to_parquet(bars)
            sha256 = hashlib.sha256(part).hexdigest()
            first, last, end = reached
            added = RawFile(
                part_name(first, end, sha256), sha256, bars.num_rows, first, last, utc(fetched_at), request
            )
            # bars that go back to an earlier file's values move that file to the end, where it wins
            files = (*(file for file in files if file.name != added.name), added)
        reach = max(reach, known.complete_through) if known else reach
        if known and (known.files, known.complete_through) == (files, reach):
            return False
        manifest = Manifest(partition, known.version + 1 if known else 1, files, reach)
        if part:
            self._files.publish(f"{partition.folder}/{files[-1].name}", [part])
        content = manifest.to_json().encode()
        return True if self._files.swap(name, content, seen) else None

    def manifest(self, partition: Partition) -> Manifest | None:
        """Return the partition's manifest, None when nothing was published there."""
        return read_manifest(self._files, partition)

    def manifests(self, symbol: str | None = None, month: date | None = None) -> list[Manifest]:
        """Return the manifests of `partitions`, in its order: in few requests, where each is a journey."""
        found = [
            Manifest.of(Partition.parse(name.rpartition("/")[0]), content, self._files.path(name))
            for name, content in self._files.documents(*_manifest_levels(symbol, month))
        ]
        return sorted(found, key=lambda manifest: manifest.partition)

    def partitions(self, symbol: str | None = None, month: date | None = None) -> list[Partition]:
        """Return the partitions that have a manifest, sorted; only those of `symbol` and `month` if given."""
        return sorted(self.walk(symbol, month))

    def walk(self, symbol: str | None = None, month: date | None = None) -> Iterator[Partition]:
        """Yield as `partitions`, one by one in the order of the folders."""
        for name in self._files.find(*_manifest_levels(symbol, month)):
            yield Partition.parse(name.rpartition("/")[0])

    def symbols(self) -> list[str]:
        """Return the symbols that have bars, sorted."""
        return sorted({partition.symbol for partition in self.walk()})

    def files(self, partition: Partition, manifest: Manifest | None = None) -> list[tuple[RawFile, pa.Table]]:
        """Return the partition's files, oldest first, each with its bars as they were published.

        With a manifest read before, exactly what it lists. Every checksum is verified on the very
        bytes that are decoded; a file that is missing or differs raises LakeError. No manifest: empty.
        """
        manifest = manifest or self.manifest(partition)
        if manifest is None:
            return []
        names = [f"{partition}/{file.name}" for file in manifest.files]
        return [
            (
                file,
                from_parquet(
                    original.checked(self._files, name, content, file.sha256), self._files.path(name)
                ),
            )
            for file, name, content in zip(manifest.files, names, self._files.read_all(names), strict=True)
        ]

    def read(self, partition: Partition) -> pa.Table:
        """Return the bars in force, sorted by ts, unique: a later file wins. LakeError without any."""
        tables = [table for _, table in self.files(partition)]
        if not tables:
            raise LakeError(f"{self._files.path(partition.folder)} has no bars: import or ingest them first")
        return merged(tables)

    def keep_original(self, path: Path, sha256: str) -> None:
        """Copy an imported file's own bytes into the lake, once; InputError if they changed meanwhile."""
        original.keep(self._files, path, sha256)

    def original(self, sha256: str) -> AbstractContextManager[Path]:
        """Yield a path at which an imported file's kept bytes can be read; LakeError when there are none."""
        return original.opened(self._files, sha256)

    def receipt(self, sha256: str, symbol: str, source: str, timeframe: Timeframe | None) -> Receipt | None:
        """Return the receipt of a file's import; without a timeframe, whichever it was imported as."""
        for candidate in (timeframe,) if timeframe else Timeframe:
            name = f"{receipt_folder(symbol, source, candidate)}/{sha256}.json"
            seen = self._files.current(name)
            if seen:
                return Receipt.from_json(seen.content, self._files.path(name))
        return None

    def write_receipt(self, receipt: Receipt) -> None:
        """Mark an import as whole; LakeError unless every partition that it lists is published."""
        missing = set(receipt.partitions) - set(self.walk(receipt.symbol))
        if missing:
            raise LakeError(f"{min(missing)} is not in the lake: {receipt.name} was not landed whole")
        with self._files.exclusive(_series(receipt.source, receipt.symbol, receipt.timeframe)):
            self._files.publish(receipt.path, [receipt.to_json().encode()])

    def remove(self, symbol: str, source: str) -> list[Partition]:
        """Remove a source's bars of a symbol; return the partitions that are gone.

        Markers go before what they vouch for (receipts, manifests, files), so that an interrupted
        removal leaves no promise unkept, and the next one finishes it. Not for a series that another
        process may be publishing to, unless the lake is on a local disk.
        """
        removed = []
        for timeframe in Timeframe:
            with self._files.exclusive(_series(source, symbol, timeframe)):
                receipts = receipt_folder(symbol, source, timeframe)
                for name in self._files.names(receipts):
                    self._files.remove(f"{receipts}/{name}")
                self._files.remove_folder(receipts)
                own = self._files.find(*_bars_folder(source, symbol, timeframe).split("/"), None, None)
                for name in own:
                    if name.endswith(f"/{MANIFEST}"):
                        self._files.remove(name)
                        removed.append(Partition.parse(name.rpartition("/")[0]))
                for name in own:
                    if not name.endswith(f"/{MANIFEST}"):
                        self._files.remove(name)
                for folder in sorted({name.rpartition("/")[0] for name in own}):
                    self._files.remove_folder(folder)
        return sorted(removed)

    def verify(self) -> list[str]:
        """Read everything and return one line for each thing that is wrong; empty when the lake is whole."""
        return [damage.problem for damage in self.damage()]

    def damage(self) -> list[Damage]:
        """Read everything and return what is not as it was published."""
        return list(find_damage(self._files))

    def restore(self, damage: Damage, content: bytes) -> bool:
        """Put a file's bytes back in its place if they are those that it had; return whether they are."""
        whole = hashlib.sha256(content).hexdigest() == damage.sha256
        if whole:
            self._files.publish(damage.name, [content])
        return whole

    def restore_original(self, damage: Damage, path: Path) -> None:
        """Put an imported file back in its place from a copy; InputError unless it is that file."""
        original.put(self._files, path, damage.sha256, damage.name.rpartition("/")[2])

    def path(self, name: str) -> str:
        """Return the full address of a file of the lake."""
        return self._files.path(name)

    def sweep(self) -> int:
        """Remove temporary files that writers left over an hour ago; return how many there were."""
        return self._files.sweep()


def _manifest_levels(symbol: str | None, month: date | None) -> tuple[str | None, ...]:
    """Return the levels of the paths of manifests, None for those that may be any."""
    return (
        RAW,
        None,
        hive("symbol", symbol) if symbol else None,
        None,
        hive("month", f"{month:%Y-%m}") if month else None,
        MANIFEST,
    )


def _bars_folder(source: str, symbol: str, timeframe: Timeframe) -> str:
    return "/".join([RAW, hive("source", source), hive("symbol", symbol), hive("timeframe", timeframe.value)])


def _series(source: str, symbol: str, timeframe: Timeframe) -> str:
    """Name the lock of all writers of one source's bars of one symbol."""
    return _bars_folder(source, symbol, timeframe).replace("/", ",")
