"""What a file's headers say of it, whoever asks: its type and name, what was understood, and warnings."""

from __future__ import annotations

from graphql_api.export.tables import Table
from graphql_api.scalars import format_datetime

Headers = tuple[tuple[str, str], ...]


def describe(table: Table, form: str, media_type: str) -> Headers:
    """Return the headers of a table in a format."""
    headers = [
        ("content-type", media_type),
        ("content-disposition", f'attachment; filename="{table.name}.{form}"'),
        ("x-content-type-options", "nosniff"),
        ("accept-ranges", "bytes"),
        *(("btcql-warning", warning) for warning in table.told),
    ]
    if (span := table.resolved) is not None:
        start, end = format_datetime(span.from_), format_datetime(span.to)
        resolved = f'from="{start}", to="{end}", interval={span.interval}, clamped=?{span.clamped:d}'
        headers.append(("btcql-resolved", resolved))
    return tuple(headers)
