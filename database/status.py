"""What a person wants to know of the database."""

from __future__ import annotations

from database.capabilities import read_capabilities
from database.connection import Connection
from database.queries import query


def read_status(connection: Connection) -> list[tuple[str, str]]:
    """Return (name, value) lines: server, edition, migrations, waiting aggregates, each market."""
    can = read_capabilities(connection)
    lines = [
        (
            "server",
            f"PostgreSQL {can.postgresql}" + (f", TimescaleDB {can.timescaledb}" if can.timescaledb else ""),
        ),
        (
            "edition",
            f"{can.edition}: {'continuous aggregates' if can.continuous_aggregates else 'rollup tables'}",
        ),
    ]
    if not connection.execute(query("find_schema")).fetchone():
        return [*lines, ("migrations", "none applied: btcql db migrate")]
    applied = connection.execute(query("read_migrations")).fetchall()
    lines.append(
        ("migrations", f"{len(applied)} applied, the last {applied[-1][0]}" if applied else "none applied")
    )
    waiting = len(connection.execute(query("read_refreshes")).fetchall())
    lines.append(("aggregates", f"{waiting} stretches wait for a refresh" if waiting else "up to date"))
    for symbol, sources, rows, first, through in connection.execute(query("read_markets_status")):
        reach = f"{first:%Y-%m-%d %H:%M} to {through:%Y-%m-%d %H:%M}"
        lines.append((symbol, f"{rows:,} bars from {', '.join(sources)}, {reach}"))
    return lines
