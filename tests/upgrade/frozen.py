"""What an older version left, as one text: its tables, its lake, and the answers that its API gave.

To look inside: `base64 -d tests/upgrade/59828d3.txt | tar -xJ`.
"""

from __future__ import annotations

import base64
import io
import json
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from database.connection import Connection

# In the order in which they refer to each other; each with the order of its rows.
TABLES = {
    "migration": "number",
    "candle": "symbol, ts",
    "load": "symbol, month",
    "aggregate_refresh": "refresh_id",
    "candle_hour": "symbol, bucket",
    "candle_day": "symbol, bucket",
    "forecast_model": "model_id",
    "forecast": "forecast_id",
    "forecast_point": "forecast_id, horizon",
}
_IDENTITIES = {"aggregate_refresh": "refresh_id", "forecast_model": "model_id", "forecast": "forecast_id"}


@dataclass(frozen=True)
class Frozen:
    """`tables` are CSV with a header, by name; `lake` the lake's files by their path, no originals."""

    tables: dict[str, str]
    lake: dict[str, bytes]
    answers: dict[str, Any]

    @classmethod
    def read(cls, file: Path) -> Frozen:
        archive = io.BytesIO(base64.b64decode(file.read_text(encoding="ascii")))
        with tarfile.open(fileobj=archive, mode="r:xz") as tar:
            content = {name: _bytes_of(tar, name) for name in tar.getnames()}
        return cls(
            {name: content[f"tables/{name}.csv"].decode() for name in TABLES},
            {name.removeprefix("lake/"): kept for name, kept in content.items() if name.startswith("lake/")},
            json.loads(content["answers.json"]),
        )

    def write(self, file: Path) -> None:
        content = {f"tables/{name}.csv": text.encode() for name, text in self.tables.items()}
        content |= {f"lake/{name}": kept for name, kept in self.lake.items()}
        content["answers.json"] = json.dumps(self.answers, indent=1).encode()
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w:xz") as tar:
            for name, kept in sorted(content.items()):
                entry = tarfile.TarInfo(name)
                entry.size = len(kept)
                tar.addfile(entry, io.BytesIO(kept))
        file.write_bytes(base64.encodebytes(archive.getvalue()))

    def put_lake(self, folder: Path, files: list[Path]) -> None:
        """Write the lake into the folder, with the imported files, of which only the names were kept."""
        by_name = {file.name: file.read_bytes() for file in files}
        for name, kept in self.lake.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(by_name[path.name] if name.startswith("original/") else kept)


def read_lake(folder: Path) -> dict[str, bytes]:
    """Return the lake's files by their path, without locks; an imported file without its bytes."""
    names = [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*")) if path.is_file()]
    return {
        name: b"" if name.startswith("original/") else (folder / name).read_bytes()
        for name in names
        if not name.startswith(".")
    }


def read_table(connection: Connection, name: str) -> str:
    """Return the table's rows as CSV with a header, floats to the last bit."""
    rows = f"COPY (SELECT * FROM {name} ORDER BY {TABLES[name]}) TO STDOUT WITH (FORMAT csv, HEADER)"
    with connection.cursor().copy(rows.encode()) as copy:
        return b"".join(bytes(block) for block in copy).decode()


def write_table(connection: Connection, name: str, text: str) -> None:
    """Put the rows of `read_table` into the empty table."""
    header = text.partition("\n")[0]
    into = f"COPY {name} ({header}) FROM STDIN WITH (FORMAT csv, HEADER)"
    with connection.cursor().copy(into.encode()) as copy:
        copy.write(text)
    if column := _IDENTITIES.get(name):
        following = (
            f"SELECT setval(pg_get_serial_sequence('{name}', '{column}'), max({column})) FROM {name}"
            f" HAVING max({column}) IS NOT NULL"
        )
        connection.execute(following.encode())


def _bytes_of(tar: tarfile.TarFile, name: str) -> bytes:
    file = tar.extractfile(name)
    assert file is not None
    return file.read()
