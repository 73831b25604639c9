"""A prepared month on its way from one task to the next: a Parquet file that carries where it came from."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from database.quality import QualityWarning
from database.writers import MonthLoad
from etl.prepare.month import Prepared

_LINEAGE = b"btcql"


def write_prepared(prepared: Prepared, path: Path) -> None:
    """Write the month to `path`, which the caller publishes."""
    lineage = {
        "sources": list(prepared.sources),
        "raw_objects": list(prepared.raw_objects),
        "input_sha256": prepared.input_sha256,
        "complete_through": prepared.complete_through.isoformat(),
        "warnings": [
            {**asdict(own), "from_at": own.from_at.isoformat(), "to_at": own.to_at.isoformat()}
            for own in prepared.warnings
        ],
    }
    table = prepared.table.replace_schema_metadata({_LINEAGE: json.dumps(lineage)})
    pq.write_table(table, path, compression="zstd")


def read_prepared(path: Path, symbol: str, month: date) -> MonthLoad:
    """Read what `write_prepared` wrote, as the database's writer takes it."""
    table = pq.read_table(path)
    lineage = json.loads(table.schema.metadata[_LINEAGE])
    return MonthLoad(
        symbol=symbol,
        month=month,
        bars=table,
        sources=lineage["sources"],
        raw_objects=lineage["raw_objects"],
        input_sha256=lineage["input_sha256"],
        complete_through=datetime.fromisoformat(lineage["complete_through"]),
        warnings=[_warning(own) for own in lineage["warnings"]],
    )


def _warning(fields: dict[str, Any]) -> QualityWarning:
    instants = {name: datetime.fromisoformat(fields[name]) for name in ("from_at", "to_at")}
    return QualityWarning(**{**fields, **instants})
