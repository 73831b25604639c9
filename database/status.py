"""What a person wants to know of the database."""

from __future__ import annotations

from database.capabilities import read_capabilities
from database.connection import Connection
from database.queries import query


def read_status(connection: Connection) -> list[tuple[str, str]]:
    """Return (name, value) lines: server, edition, migrations, aggregates, hypertable, each market."""
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
    if can.timescaledb:
        lines += _hypertable_lines(connection)
    for symbol, sources, rows, first, through in connection.execute(query("read_markets_status")):
        reach = f"{first:%Y-%m-%d %H:%M} to {through:%Y-%m-%d %H:%M}"
        lines.append((symbol, f"{rows:,} bars from {', '.join(sources)}, {reach}"))
    return lines


def _hypertable_lines(connection: Connection) -> list[tuple[str, str]]:
    hypertable = connection.execute(query("read_hypertable")).fetchone()
    assert hypertable is not None
    size, chunks, compressed = hypertable
    watermarks = [
        f"{name} {watermark:%Y-%m-%d %H:%M}" if watermark else f"{name} empty"
        for name, watermark in connection.execute(query("read_watermarks"))
    ]
    return [
        ("hypertable", f"{size} in {chunks} chunks, {compressed} compressed"),
        *([("watermarks", ", ".join(watermarks))] if watermarks else []),
    ]
