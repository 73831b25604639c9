"""The manifest: a partition's completeness marker, written after all that it lists."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from btcql.errors import LakeError
from btcql.records import Timeframe
from lake.document import Fields, reading, stamped
from lake.path import Partition
from lake.schema import SCHEMA_VERSION


@dataclass(frozen=True, slots=True)
class RawFile:
    """One immutable file of a partition: its content's hash and where it came from."""

    name: str
    sha256: str
    rows: int
    first_ts: datetime
    last_ts: datetime
    fetched_at: datetime
    request: Mapping[str, Any] = field(default_factory=dict)

    @property
    def fetched(self) -> bool:
        """Whether it is an exchange's answer: the next refresh asks for more."""
        return "exchange" in self.request

    @property
    def imported(self) -> bool:
        """Whether it is of a file that a person gave, and neither fetched nor made up."""
        return not self.fetched and "sample_through" not in self.request


@dataclass(frozen=True, slots=True)
class Manifest:
    """All files of a partition, oldest first: a later one wins where two hold the same bar.

    Every bar that ended by `complete_through` is in the files. `version` counts the changes from 1.
    """

    partition: Partition
    version: int
    files: tuple[RawFile, ...]
    complete_through: datetime
    schema_version: int = SCHEMA_VERSION

    @property
    def input_sha256(self) -> str:
        """A digest of all that a reader of this partition can see: the files' order, hashes, reach."""
        seen = [self.schema_version, stamped(self.complete_through), *(file.sha256 for file in self.files)]
        return hashlib.sha256(json.dumps(seen).encode()).hexdigest()

    def to_json(self) -> str:
        """Return the manifest as it is kept, ending in a newline."""
        content = {
            "version": self.version,
            "schema_version": self.schema_version,
            "source": self.partition.source,
            "symbol": self.partition.symbol,
            "timeframe": self.partition.timeframe.value,
            "month": f"{self.partition.month:%Y-%m}",
            "complete_through": stamped(self.complete_through),
            "files": [
                {
                    "name": file.name,
                    "sha256": file.sha256,
                    "rows": file.rows,
                    "first_ts": stamped(file.first_ts),
                    "last_ts": stamped(file.last_ts),
                    "fetched_at": stamped(file.fetched_at),
                    "request": dict(file.request),
                }
                for file in self.files
            ],
        }
        return json.dumps(content, indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, content: bytes, name: str) -> Manifest:
        """Read a manifest strictly; anything unexpected is a LakeError that names the file."""
        with reading("manifest", name):
            fields = Fields(json.loads(content))
            schema_version = fields.take("schema_version", int)
            if schema_version > SCHEMA_VERSION:
                raise LakeError(
                    f"{name} was written by a newer btcql (schema {schema_version}): upgrade btcql"
                )
            manifest = cls(
                version=fields.take("version", int),
                schema_version=schema_version,
                partition=Partition(
                    fields.take("source", str),
                    fields.take("symbol", str),
                    Timeframe(fields.take("timeframe", str)),
                    date.fromisoformat(fields.take("month", str) + "-01"),
                ),
                complete_through=fields.instant("complete_through"),
                files=tuple(_raw_file(Fields(item)) for item in fields.take("files", list)),
            )
            fields.end()
            return manifest

    @classmethod
    def of(cls, partition: Partition, content: bytes, name: str) -> Manifest:
        """Read the manifest of `partition`; LakeError, naming the file, where it is another's."""
        manifest = cls.from_json(content, name)
        if manifest.partition != partition:
            raise LakeError(f"{name} describes {manifest.partition}, not its own folder")
        return manifest


def _raw_file(fields: Fields) -> RawFile:
    file = RawFile(
        name=fields.take("name", str),
        sha256=fields.take("sha256", str),
        rows=fields.take("rows", int),
        first_ts=fields.instant("first_ts"),
        last_ts=fields.instant("last_ts"),
        fetched_at=fields.instant("fetched_at"),
        request=fields.take("request", dict),
    )
    fields.end()
    return file
