"""What a person wants to know of the database."""

from __future__ import annotations

from datetime import datetime

from btcql.rhythm import OVERDUE
from database.capabilities import read_capabilities
from database.connection import Connection
from database.events import read_followed
from database.migrate import find_migrations
from database.queries import query
from database.retention import read_retention


def read_status(connection: Connection) -> list[tuple[str, str]]:
    """Return (name, value) lines: server, edition, migrations, aggregates, bars, markets; what is stale."""
    can = read_capabilities(connection)
    aggregates = "continuous aggregates" if can.continuous_aggregates else "rollup tables"
    lines = [
        (
            "server",
            f"PostgreSQL {can.postgresql}" + (f", TimescaleDB {can.timescaledb}" if can.timescaledb else ""),
        ),
        ("edition", f"{can.edition}: {aggregates}"),
    ]
    if not connection.execute(query("find_schema")).fetchone():
        return [*lines, ("migrations", "none applied: btcql db migrate")]
    better = connection.execute(query("find_better_edition")).fetchone()
    if better:
        lines.append(
            ("could be", f"{better[0]}: btcql rebuild moves the database to what the server has now")
        )
    lines.append(("migrations", _migrations(connection)))
    lines.append(("aggregates", _waiting(connection)))
    lines += _bars_lines(connection, timescaledb=can.timescaledb is not None)
    retention = read_retention(connection)
    if retention:
        lines.append(("retention", f"bars are dropped after {retention}; their hours and days stay"))
    return lines + _markets(connection, retained=retention is not None)


def _markets(connection: Connection, *, retained: bool) -> list[tuple[str, str]]:
    followed = {symbol for symbol, _ in read_followed(connection)}
    lines = []
    for symbol, sources, rows, first, through, days_behind in connection.execute(
        query("read_markets_status"), [OVERDUE]
    ).fetchall():
        reach = f"{first:%Y-%m-%d %H:%M} to {through:%Y-%m-%d %H:%M}"
        stale = f", STALE: {days_behind} days behind" if days_behind else ""
        files = "" if symbol in followed or not stale else " (files only, which no refresh goes on with)"
        bounds = {"symbol": symbol, "first": first, "retained": retained}
        kept = connection.execute(query("read_kept_bars"), bounds).fetchone()
        assert kept is not None
        bars = _bars(rows, *kept)
        lines.append((symbol, f"{bars} from {', '.join(sources)}, {reach}{stale}{files}"))
    return lines


def _bars(loaded: int, oldest: datetime | None, kept: int | None) -> str:
    if oldest is None:
        return f"0 of {loaded:,} loaded bars (all were dropped)"
    if kept is None or kept >= loaded:
        return f"{loaded:,} bars"
    return f"{kept:,} of {loaded:,} loaded bars (the oldest kept {oldest:%Y-%m-%d %H:%M})"


def _migrations(connection: Connection) -> str:
    applied = connection.execute(query("read_migrations")).fetchall()
    pending = [migration.name for migration in find_migrations()[len(applied) :]]
    said = f"{len(applied)} applied, the last {applied[-1][0]}" if applied else "none applied"
    return said + (f"; pending: {', '.join(pending)}: btcql db migrate" if pending else "")


def _waiting(connection: Connection) -> str:
    waiting = connection.execute(query("read_waiting_days")).fetchall()
    said = ", ".join(f"{symbol} {first:%Y-%m-%d} to {last:%Y-%m-%d}" for symbol, first, last in waiting)
    return f"STALE, btcql refresh brings them up to date: {said}" if waiting else "up to date"


def _bars_lines(connection: Connection, *, timescaledb: bool) -> list[tuple[str, str]]:
    if not timescaledb or not connection.execute(query("find_hypertable")).fetchone():
        table = connection.execute(query("read_table_size")).fetchone()
        assert table is not None
        return [("bars", f"{table[0]} in a plain table")]
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
