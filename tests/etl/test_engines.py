"""One SQL text on DuckDB and on Spark, and the same rows from both."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

import pyarrow as pa
import pytest

from btcql.errors import PipelineError, SettingError
from btcql.records import Timeframe
from etl.prepare import duck, prepare_month
from etl.prepare.engine import choose_engine
from lake.path import Partition
from lake.store import Lake
from tests.etl.engines import ENGINES, engine_of
from tests.lake.bars import bars, february, publish

pytestmark = pytest.mark.timeout(900)  # a JVM's start on a busy machine takes minutes
FEBRUARY = february().date()


@pytest.mark.parametrize("name", ENGINES)
def test_an_engine_keeps_values_order_and_utc(name: str) -> None:
    run_sql = engine_of(name)
    at = pa.array([datetime(2024, 2, 1, hour, tzinfo=UTC) for hour in (23, 0)], pa.timestamp("us", tz="UTC"))
    table = pa.table({"ts": at, "price": [0.1 + 0.2, 5e-324], "minutes": pa.array([1, 1440], pa.int16())})
    query = "SELECT ts, CAST(ts AS DATE) AS day, price, minutes FROM t ORDER BY minutes DESC"
    for _ in range(2):
        rows = run_sql(query, t=table).to_pylist()
        assert [(row["ts"], row["price"], row["minutes"]) for row in rows] == [
            (february(), 5e-324, 1440),
            (february(1, 23), 0.1 + 0.2, 1),
        ]
        assert {row["day"] for row in rows} == {FEBRUARY}


def test_both_engines_prepare_the_same_month(tmp_path: Path) -> None:
    spark = engine_of("spark")
    lake = Lake(str(tmp_path))
    for source, timeframe, first, count, price in (
        ("bitstamp", Timeframe.DAY, february(), 10, 100.0),
        ("bitstamp", Timeframe.HOUR, february(3), 24 * 2 + 7, 100.0),
        ("bitstamp", Timeframe.HOUR, february(3, 5), 2, 103.0),
        ("binance", Timeframe.MINUTE, february(4), 1440, 100.0),
        ("kraken", Timeframe.HOUR, february(12), 30, 90.0),
        ("coinbase", Timeframe.HOUR, february(12), 24, 90.5),
    ):
        where = Partition(source, "BTC-USD", timeframe, FEBRUARY)
        publish(lake, where, bars(first, count, timeframe, price))
    one = prepare_month(lake, "BTC-USD", FEBRUARY, duck.run_sql)
    other = prepare_month(lake, "BTC-USD", FEBRUARY, spark)
    assert one.table.equals(other.table)
    assert one == other
    assert one.sources == ("binance", "bitstamp", "coinbase", "kraken")


def test_what_spark_refuses_is_an_error_in_one_line() -> None:
    run_sql = engine_of("spark")
    with pytest.raises(PipelineError, match=r"Spark \(local\[2\]\) failed: .*nothing") as refused:
        run_sql("SELECT nothing FROM t", t=pa.table({"a": [1]}))
    assert "\n" not in str(refused.value)


def test_spark_without_pyspark_says_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyspark", None)
    with pytest.raises(SettingError, match=r"pip install 'btcql\[spark\]', or set BTCQL_ENGINE=duckdb"):
        choose_engine("spark", "local[2]")


@pytest.mark.parametrize("home", [True, False], ids=["JAVA_HOME", "PATH"])
def test_spark_without_java_says_where_it_looked(
    home: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pyspark = ModuleType("pyspark")
    pyspark.__spec__ = ModuleSpec("pyspark", None)
    monkeypatch.setitem(sys.modules, "pyspark", pyspark)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    if home:
        monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    where = f"in JAVA_HOME='{tmp_path}'" if home else "on PATH"
    with pytest.raises(SettingError, match="needs Java 17 or newer") as refused:
        choose_engine("spark", "local[2]")
    assert where in str(refused.value)
