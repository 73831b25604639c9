"""Parquet files, by whomever written: what is taken for a timestamp, and what is refused with its row."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from btcql.errors import InputError
from btcql.records import Timeframe
from etl.sources.detection import detect
from lake.schema import microseconds
from tests.etl.reading import read_bars

NOW = datetime(2026, 1, 1, tzinfo=UTC)
FIRST = datetime(2024, 11, 1, tzinfo=UTC)
ROWS = 5
TIMES = [FIRST + timedelta(hours=row) for row in range(ROWS)]
SECONDS = [int(time.timestamp()) for time in TIMES]


def columns(**changed: Any) -> dict[str, Any]:
    numbers = {"open": [10.0] * ROWS, "high": [12.0] * ROWS, "low": [9.0] * ROWS, "close": [11.0] * ROWS}
    return {"timestamp": SECONDS, **numbers, "volume": [1.5] * ROWS, **changed}


def written(folder: Path, values: dict[str, Any], name: str = "prices.parquet") -> Path:
    pq.write_table(pa.table(values), folder / name)
    return folder / name


TIMESTAMPS = {
    "seconds": SECONDS,
    "milliseconds": [1000 * second for second in SECONDS],
    "microseconds": [1_000_000 * second for second in SECONDS],
    "seconds as floats": [float(second) for second in SECONDS],
    "unsigned": pa.array(SECONDS, pa.uint32()),
    "naive nanoseconds, as pandas writes them": pa.array(SECONDS, pa.timestamp("s")).cast(pa.timestamp("ns")),
    "milliseconds with a zone, as polars writes them": pa.array(TIMES, pa.timestamp("ms", tz="UTC")),
    "another zone": pa.array(TIMES, pa.timestamp("us", tz="+02:00")),
}


@pytest.mark.parametrize("stamps", TIMESTAMPS.values(), ids=TIMESTAMPS.keys())
def test_a_timestamp_is_a_time_or_an_epoch(stamps: Any, tmp_path: Path) -> None:
    bars = read_bars(written(tmp_path, columns(timestamp=stamps)), None, NOW)
    assert microseconds(bars.table).tolist() == [second * 1_000_000 for second in SECONDS]
    assert bars.timeframe is Timeframe.HOUR
    assert bars.notices == ()


def test_columns_are_found_by_name_in_any_type_of_number(tmp_path: Path) -> None:
    values = columns(volume=pa.array([2] * ROWS, pa.int32()), high=pa.array([12.5] * ROWS, pa.float32()))
    path = written(
        tmp_path, {name.title(): values[name] for name in reversed(values)} | {"note": ["x"] * ROWS}
    )
    bar = read_bars(path, None, NOW).table.to_pylist()[0]
    assert (bar["open"], bar["high"], bar["volume"]) == (10.0, 12.5, 2.0)


@pytest.mark.parametrize("name", ["timestamp", None, "Timestamp"])
@pytest.mark.parametrize("zone", [None, "UTC"])
def test_pandas_may_have_the_time_as_its_index(zone: str | None, name: str | None, tmp_path: Path) -> None:
    frame = pd.DataFrame(columns()).drop(columns="timestamp")
    frame.index = pd.DatetimeIndex(pd.to_datetime(SECONDS, unit="s", utc=True), name=name).tz_convert(zone)
    frame.to_parquet(tmp_path / "frame")
    bars = read_bars(tmp_path / "frame", None, NOW)
    assert microseconds(bars.table).tolist() == [second * 1_000_000 for second in SECONDS]


def test_an_index_of_numbers_beside_the_columns_is_left_alone(tmp_path: Path) -> None:
    frame = pd.DataFrame(columns()).iloc[::-1]
    frame.to_parquet(tmp_path / "frame.parquet", index=True)
    assert "__index_level_0__" in pq.read_schema(tmp_path / "frame.parquet").names
    assert read_bars(tmp_path / "frame.parquet", None, NOW).table.num_rows == ROWS


def test_a_parquet_file_tells_no_source(tmp_path: Path) -> None:
    origin = detect(written(tmp_path, columns())).origin
    assert (origin.source, origin.symbol, origin.timeframe) == (None, "BTC-USD", None)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"close": [11.0, 11.0, None, 11.0, 11.0]}, "row 3: close is empty"),
        ({"timestamp": [*SECONDS[:4], None]}, "row 5: timestamp is empty"),
        ({"low": [9.0, 13.0, 9.0, 9.0, 9.0]}, "row 2: high 12.0, low 13.0 disagree"),
        ({"volume": [1.5, 1.5, 1.5, float("nan"), 1.5]}, "row 4: volume nan is not finite"),
        (
            {"timestamp": [*SECONDS[:4], SECONDS[4] * 1000]},
            "row 5: timestamp 1730433600000 is in milliseconds",
        ),
        ({"timestamp": range(ROWS)}, "row 1: timestamp 1970-01-01T00:00:00Z is before 2009-01-03"),
        ({"timestamp": [second + 0.5 for second in SECONDS]}, "column timestamp cannot be read as int64"),
        (
            {"timestamp": [time.isoformat() for time in TIMES]},
            "column timestamp is of type string: a timestamp or",
        ),
        ({"open": ["10"] * ROWS}, "column open is of type string: a number is taken"),
        ({"OPEN": [10.0] * ROWS}, "column open is there more than once; found: timestamp, open"),
    ],
)
def test_a_bad_row_or_column_is_named(changed: dict[str, Any], reason: str, tmp_path: Path) -> None:
    path = written(tmp_path, columns(**changed))
    with pytest.raises(InputError) as refused:
        read_bars(path, None, NOW)
    assert reason in refused.value.reason
    assert str(path) == refused.value.file


def test_a_file_without_a_column_or_a_row_is_refused(tmp_path: Path) -> None:
    values = columns()
    del values["volume"]
    with pytest.raises(InputError, match="column volume is missing: timestamp, open, high"):
        read_bars(written(tmp_path, values), None, NOW)
    nothing = {name: pa.array([], pa.float64()) for name in columns()}
    with pytest.raises(InputError, match="has no bars"):
        read_bars(written(tmp_path, nothing), None, NOW)


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, columns())
    content = path.read_bytes()
    for damaged in (content[: len(content) // 2], content[:5], b"PAR1" + content[4:60][::-1] + content[60:]):
        path.write_bytes(damaged)
        with pytest.raises(InputError, match="damaged Parquet"):
            read_bars(path, None, NOW)
