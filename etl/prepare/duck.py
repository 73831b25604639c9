"""DuckDB as the engine that prepares a month: in memory, in UTC, with nothing to download."""

from __future__ import annotations

import os

import duckdb
import pyarrow as pa

_MOST_THREADS = 2  # a month is small: more threads cost more than they bring


def run_sql(query: str, **tables: pa.Table) -> pa.Table:
    """Run one query over the named tables and return its rows, in its order."""
    options: dict[str, str | bool | int | float | list[str]] = {
        "threads": min(_MOST_THREADS, os.cpu_count() or 1),
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
    }
    with duckdb.connect(":memory:", config=options) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for name, table in tables.items():
            connection.register(name, table)
        return connection.sql(query).to_arrow_table()
