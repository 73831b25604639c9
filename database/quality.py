"""What is odd about a month's bars: stored with its load, shown until the month is loaded without it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from database.connection import Connection
from database.queries import query


@dataclass(frozen=True, slots=True)
class QualityWarning:
    """A stretch of a month, [from_at, to_at) in UTC, that a person should look at.

    `bars` counts the bars of it that are odd or missing; `message` is one line.
    """

    kind: str
    source: str
    from_at: datetime
    to_at: datetime
    bars: int
    message: str

    def __str__(self) -> str:
        return spell(self.from_at, self.to_at, self.source, self.message)


def write_warnings(
    connection: Connection, symbol: str, month: date, warnings: Sequence[QualityWarning]
) -> None:
    """Make the loaded month's warnings these; they go with its marker."""
    connection.execute(query("remove_warnings"), [symbol, month])
    if warnings:
        rows = [
            (symbol, month, number, own.kind, own.source, own.from_at, own.to_at, own.bars, own.message)
            for number, own in enumerate(warnings, 1)
        ]
        with connection.cursor() as cursor:
            cursor.executemany(query("write_warning"), rows)


def read_quality(connection: Connection) -> list[tuple[str, str]]:
    """Return (name, value) lines: how many warnings each market has of each kind, and the newest of them.

    Months that are missing whole, or begin late, are among them, as kind month_gap.
    """
    if not connection.execute(query("find_warnings")).fetchone():
        return []
    lines = []
    for symbol, kind, total, number, source, from_at, to_at, message in connection.execute(
        query("read_warnings")
    ):
        if number == 1:
            lines.append((f"{symbol} {kind}", f"{total:,} warning{'s' if total > 1 else ''}, the newest:"))
        lines.append(("", f"  {spell(from_at, to_at, source, message)}"))
    return lines or [("warnings", "none")]


def spell(from_at: datetime, to_at: datetime, source: str, message: str) -> str:
    """Return a warning in one line."""
    return f"{from_at:%Y-%m-%d %H:%M} to {to_at:%Y-%m-%d %H:%M}, {source}: {message}"
