"""From what the database's bars of a month were loaded."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

from database.connection import Connection
from database.queries import query


@dataclass(frozen=True)
class MonthLoaded:
    """A month's marker: the hash of its input, the names of the raw objects, and when it was loaded.

    `sources` are those that its `rows` bars are of.
    """

    input_sha256: str
    raw_objects: frozenset[str]
    loaded_at: datetime
    sources: frozenset[str]
    rows: int


def read_month_loaded(connection: Connection, symbol: str, month: date) -> MonthLoaded | None:
    """Return what the market's month (by its first day) was loaded from, None when it was not."""
    if not connection.execute(query("find_schema")).fetchone():
        return None
    return read_months_loaded(connection, symbol, [month]).get(month)


def read_months_loaded(
    connection: Connection, symbol: str, months: Iterable[date]
) -> dict[date, MonthLoaded]:
    """Return what those of a market's months (by their first days) that are loaded were loaded from."""
    found = connection.execute(query("read_months_loaded"), [symbol, list(months)]).fetchall()
    return {
        month: MonthLoaded(
            input_sha256, frozenset(entry["object"] for entry in objects), at, frozenset(sources), rows
        )
        for month, input_sha256, objects, at, sources, rows in found
    }
