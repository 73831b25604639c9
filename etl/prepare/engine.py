"""The engines that prepare months: one SQL text on either, and the same rows from both."""

from __future__ import annotations

from functools import partial
from typing import Protocol

import pyarrow as pa

from etl.prepare import duck, spark

DUCKDB, SPARK = "duckdb", "spark"


class Engine(Protocol):
    """Runs SQL in UTC."""

    def __call__(self, query: str, /, **tables: pa.Table) -> pa.Table:
        """Run one query over the named tables and return its rows, in its order."""


def choose_engine(name: str, spark_master: str) -> Engine:
    """Return the engine of a name (BTCQL_ENGINE: duckdb or spark); the first query starts it.

    Raises SettingError for a Spark that is not installed.
    """
    if name == SPARK:
        spark.check_installed()
        return partial(spark.run_sql, spark_master)
    return duck.run_sql
