"""DuckDB as the engine that prepares a month: in memory, in UTC, with nothing to download."""

from __future__ import annotations

import os
import warnings
from functools import cache

import duckdb
import pyarrow as pa

_MOST_THREADS = 2  # a month is small: more threads cost more than they bring


def run_sql(query: str, /, **tables: pa.Table) -> pa.Table:
    """Run one query over the named tables and return its rows, in its order."""
    connection = _engine(os.getpid())
    for name, table in tables.items():
        connection.register(name, table)
    try:
        with warnings.catch_warnings():
            # To save the copy that it warns of, it would plan each query twice: that takes longer.
            warnings.filterwarnings("ignore", message="Arrow output", category=UserWarning)
            return connection.execute(query).to_arrow_table()
    except duckdb.InterruptException:
        raise KeyboardInterrupt from None  # Ctrl-C reached DuckDB first
    finally:
        for name in tables:
            connection.unregister(name)


@cache
def _engine(process: int) -> duckdb.DuckDBPyConnection:  # noqa: ARG001 - a forked process needs its own threads
    """Return this process's engine: to start one takes longer than to prepare a small month."""
    options: dict[str, str | bool | int | float | list[str]] = {
        "threads": min(_MOST_THREADS, os.cpu_count() or 1),
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
    }
    connection = duckdb.connect(":memory:", config=options)
    connection.execute("SET TimeZone = 'UTC'")
    return connection
