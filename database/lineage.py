"""From what the database's bars of a month were loaded."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from database.connection import Connection
from database.queries import query


@dataclass(frozen=True)
class MonthLoaded:
    """A month's marker: the hash of its input, the names of the raw objects, and when it was loaded."""

    input_sha256: str
    raw_objects: frozenset[str]
    loaded_at: datetime


def read_month_loaded(connection: Connection, symbol: str, month: date) -> MonthLoaded | None:
    """Return what the market's month (by its first day) was loaded from, None when it was not."""
    if not connection.execute(query("find_schema")).fetchone():
        return None
    found = connection.execute(query("read_month_loaded"), [symbol, month]).fetchone()
    if not found:
        return None
    input_sha256, raw_objects, loaded_at = found
    return MonthLoaded(input_sha256, frozenset(entry["object"] for entry in raw_objects), loaded_at)
