"""Spark as the engine that prepares a month, for a lake that outgrew one machine (the extra btcql[spark])."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import tempfile
import warnings
from functools import cache
from importlib.util import find_spec
from multiprocessing.util import Finalize
from pathlib import Path
from typing import Any

import pyarrow as pa

from btcql.errors import PipelineError, SettingError

_OPTIONS = {
    "spark.app.name": "btcql",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",  # a value that does not fit is an error, as it is on DuckDB
    "spark.sql.shuffle.partitions": "2",  # a month is small: more partitions cost more than they bring
    "spark.sql.catalogImplementation": "in-memory",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    # Each month's queries are compiled anew, and in a long run they filled the JVM's default of 240 MB.
    "spark.driver.extraJavaOptions": "-XX:ReservedCodeCacheSize=512m",
}
_WAY_OUT = "or set BTCQL_ENGINE=duckdb, which needs nothing more"


def check_installed() -> None:
    """Raise SettingError, with the way out, unless pyspark and a Java to run it are here."""
    if find_spec("pyspark") is None:
        raise SettingError(
            "BTCQL_ENGINE='spark' needs pyspark, which is not installed: "
            f"pip install 'btcql[spark]', {_WAY_OUT}"
        )
    home = os.environ.get("JAVA_HOME")
    if shutil.which("java", path=str(Path(home) / "bin") if home else None) is None:
        where = f"in JAVA_HOME={home!r}" if home else "on PATH"
        raise SettingError(
            f"BTCQL_ENGINE='spark' needs Java 17 or newer, and there is no java {where}: "
            f"install one, {_WAY_OUT}"
        )


def run_sql(master: str, query: str, /, **tables: pa.Table) -> pa.Table:
    """Run one query over the named tables on the Spark of `master` and return its rows, in its order.

    Raises SettingError where Spark cannot be started, PipelineError for what it reports.
    """
    session = _session(master, os.getpid())
    from py4j.protocol import Py4JError  # noqa: PLC0415 - comes with the extra
    from pyspark.errors import PySparkException  # noqa: PLC0415 - an extra, and slow to import

    try:
        for name, table in tables.items():
            session.createDataFrame(table).createOrReplaceTempView(name)
        rows = session.sql(query).toArrow()
        for name in tables:
            session.catalog.dropTempView(name)
    except (PySparkException, Py4JError, OSError) as error:  # the last two: its JVM has gone
        raise PipelineError(f"Spark ({master}) failed: {_reason(error)}") from error
    return rows


@cache
def _session(master: str, process: int) -> Any:
    """Return this process's session: to start a JVM takes longer than to prepare many months."""
    check_installed()
    # Of a pandas that is not used here.
    warnings.filterwarnings("ignore", message="PySpark does not yet fully support pandas")
    from pyspark import SparkConf, SparkContext  # noqa: PLC0415 - an extra, and slow to import
    from pyspark.java_gateway import launch_gateway  # noqa: PLC0415
    from pyspark.sql import SparkSession  # noqa: PLC0415

    # What fails is raised; pyspark's own log would say it a second time, with the JVM's whole trace.
    logging.getLogger("SQLQueryContextLogger").setLevel(logging.CRITICAL + 1)
    if SparkContext._active_spark_context is not None:  # noqa: SLF001 - nothing public tells
        raise PipelineError(
            f"Spark cannot be started for {master!r} in process {process}: it or its parent runs another one"
        )
    folder = tempfile.mkdtemp(prefix="btcql-spark-")
    options = {**_OPTIONS, "spark.master": master, "spark.sql.warehouse.dir": folder}
    if master.startswith("local"):
        # A machine whose own name has no address runs it as well.
        options |= {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}
    conf = SparkConf(loadDefaults=False).setAll(list(options.items()))
    on_interrupt = signal.getsignal(signal.SIGINT)
    log = Path(folder) / "log"
    try:
        with log.open("w") as stderr:
            gateway = launch_gateway(conf, popen_kwargs={"stdout": stderr, "stderr": stderr})
        session = SparkSession(SparkContext(gateway=gateway, conf=conf))
    except Exception as error:
        said = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
        shutil.rmtree(folder, ignore_errors=True)
        raise SettingError(
            f"Spark did not start with BTCQL_SPARK_MASTER={master!r}: {_reason(error)}"
            f"{f'; its log ends with: {said[-1]}' if said else ''}. Give another master, {_WAY_OUT}"
        ) from error
    finally:
        # Spark took Ctrl-C for itself.
        signal.signal(signal.SIGINT, on_interrupt)

    def stop() -> None:
        session.stop()
        gateway.shutdown()
        shutil.rmtree(folder, ignore_errors=True)

    # Unlike atexit it knows the process that it is for, and is done in those that multiprocessing started.
    Finalize(None, stop, exitpriority=1)
    return session


def _reason(error: Exception) -> str:
    """Return the first line of what went wrong, in the JVM's own words where it has some."""
    return str(getattr(error, "java_exception", error)).strip().split("\n", 1)[0]
