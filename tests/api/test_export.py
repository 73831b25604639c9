"""Files by address: what is in them is what the GraphQL fields answer, to the last bit."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.api.serving import Api, wait_for

# The fields are tested on every edition; a file is told by the same readers what they are.
pytestmark = pytest.mark.parametrize("edition", ["plain"], indirect=True, scope="session")

CANDLE = "start open high low close volume observed complete filled"
POINT = "start value close observations status"
FLAGS = {"true": True, "false": False, "": None}


def read_csv(body: bytes) -> list[dict[str, Any]]:
    text = body.decode("ascii")
    assert text.replace("\r\n", "").isprintable()
    return [{name: told(cell) for name, cell in row.items()} for row in csv.DictReader(io.StringIO(text))]


def told(cell: str) -> Any:
    if cell in FLAGS:
        return FLAGS[cell]
    try:
        return float(cell)
    except ValueError:
        return cell


def read_arrow(body: bytes) -> list[dict[str, Any]]:
    return spelled(pa.ipc.open_stream(body).read_all())


def read_parquet(body: bytes) -> list[dict[str, Any]]:
    return spelled(pq.read_table(io.BytesIO(body)))


def spelled(table: Any) -> list[dict[str, Any]]:
    """Return the rows with their times written as JSON has them."""
    assert all(str(field.type) != "timestamp[us]" for field in table.schema)  # none without its zone
    rows: list[dict[str, Any]] = table.to_pylist()
    return [
        {
            name: value.isoformat().replace("+00:00", "Z") if hasattr(value, "isoformat") else value
            for name, value in row.items()
        }
        for row in rows
    ]


READERS: dict[str, tuple[str, Callable[[bytes], list[dict[str, Any]]]]] = {
    "csv": ("text/csv; charset=utf-8; header=present", read_csv),
    "json": ("application/json", json.loads),
    "arrow": ("application/vnd.apache.arrow.stream", read_arrow),
    "parquet": ("application/vnd.apache.parquet", read_parquet),
}
DAYS = {"from": "2023-03-01", "to": "2023-03-31"}
MINUTES = {"from": "2024-01-04T22:00:00Z", "to": "2024-01-11T12:30:00Z", "interval": "MINUTE"}
HOURS = {"from": "2023-07-01T00:00:00Z", "to": "2024-01-11T12:00:00Z"}


def exported(api: Api, table: str, form: str = "json", /, **asked: Any) -> list[dict[str, Any]]:
    answer = api.http.get(f"/export/{table}.{form}", params=asked)
    assert answer.status_code == 200, answer.text
    media_type, read = READERS[form]
    assert answer.headers["content-type"] == media_type
    return read(answer.content)


@pytest.mark.parametrize("kind", READERS)
@pytest.mark.parametrize("fill", ["NULL", "PREVIOUS", "NONE"])
def test_the_bars_are_those_of_the_field_in_every_format(api: Api, kind: str, fill: str) -> None:
    range_ = f'range: {{days: {{from: "{DAYS["from"]}", to: "{DAYS["to"]}"}}}}'
    points = api.market(f"candles({range_}, fill: {fill}) {{ points {{ {CANDLE} }} }}")["candles"]["points"]
    assert exported(api, "candles", kind, fill=fill, **DAYS) == points
    assert len(points) == (29 if fill == "NONE" else 31)


@pytest.mark.parametrize("kind", READERS)
def test_the_averages_are_those_of_the_field_in_every_format(api: Api, kind: str) -> None:
    series = api.market(f"movingAverage(range: {{last: QUARTER}}, window: 7) {{ points {{ {POINT} }} }}")
    points = series["movingAverage"]["points"]
    assert exported(api, "movingAverage", kind, last="QUARTER", window=7) == points
    assert {point["status"] for point in points} == {"OK", "GAP"}


@pytest.mark.parametrize("kind", READERS)
def test_the_forecast_is_that_of_the_field_in_every_format(api: Api, kind: str) -> None:
    fields = (
        "issuedAt basedOn retrospective lastClose points { day horizon price actual quantiles { price } }"
    )
    forecast = api.market(f'forecast(asOf: "2024-01-05", horizon: 6) {{ {fields} }}')["forecast"]
    rows = exported(api, "forecast", kind, asOf="2024-01-05", horizon=6)
    assert len(rows) == 6
    for row, point in zip(rows, forecast["points"], strict=True):
        assert [row.pop(name) for name in list(row) if name.startswith("q")] == [
            quantile["price"] for quantile in point.pop("quantiles")
        ]
        assert row == {name: forecast[name] for name in forecast if name != "points"} | point
    assert rows[0]["actual"] is not None
    assert rows[5]["actual"] is None


@pytest.mark.parametrize("fill", ["NULL", "PREVIOUS", "NONE"])
def test_pieces_join_without_a_seam(api: Api, fill: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = exported(api, "candles", fill=fill, **MINUTES)
    for piece in (1439, 100):
        monkeypatch.setattr("graphql_api.export.bars._PIECE", piece)
        assert exported(api, "candles", fill=fill, **MINUTES) == whole
    gaps = [row for row in whole if row["observed"] == 0]
    assert bool(gaps) == (fill != "NONE")
    assert all((row["close"] is not None) == (fill == "PREVIOUS") for row in gaps)


@pytest.mark.parametrize("kind", ["SIMPLE", "EXPONENTIAL", "WEIGHTED"])
def test_averages_do_not_change_at_the_border_of_a_piece(
    api: Api, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    range_ = f'range: {{instants: {{from: "{HOURS["from"]}", to: "{HOURS["to"]}"}}}}'
    asked = f"movingAverage({range_}, window: 50, kind: {kind}, interval: HOUR) {{ points {{ {POINT} }} }}"
    points = api.market(asked)["movingAverage"]["points"]
    monkeypatch.setattr("graphql_api.export.bars._PIECE", 97)
    assert exported(api, "movingAverage", window=50, kind=kind, interval="HOUR", **HOURS) == points
    assert {point["status"] for point in points} == {"OK", "GAP"}


def test_a_parquet_file_has_row_groups_and_types(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("graphql_api.export.columnar._ROW_GROUP", 5000)
    monkeypatch.setattr("graphql_api.export.bars._PIECE", 1000)
    body = api.http.get("/export/candles.parquet", params=MINUTES).content
    file = pq.ParquetFile(io.BytesIO(body))
    assert [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)] == [5000, 4510]
    schema = file.schema_arrow
    assert [str(kind) for kind in schema.types] == [
        "timestamp[us, tz=UTC]",
        *["double"] * 5,
        "int64",
        "bool",
        "bool",
    ]
    assert [field.name for field in schema if field.nullable] == ["open", "high", "low", "close", "volume"]


def test_pandas_opens_an_export_by_its_address(api: Api) -> None:
    address = f"{api.http.base_url}/export/candles.csv?last=YEAR"
    closes = pd.read_csv(address.replace("//export", "/export"), index_col="start", parse_dates=True)["close"]
    asked = "candles(range: {last: YEAR}) { columns { close } }"
    expected = api.market(asked)["candles"]["columns"]["close"]
    assert closes.astype(object).where(closes.notna(), None).tolist() == expected
    assert isinstance(closes.index, pd.DatetimeIndex)


def test_the_answer_says_what_was_understood(api: Api) -> None:
    answer = api.http.get("/export/candles.csv", params={"from": "2024-01-10", "to": "2024-01-12"})
    assert answer.headers["btcql-resolved"] == (
        'from="2024-01-10T00:00:00Z", to="2024-01-11T00:00:00Z", interval=DAY, clamped=?1'
    )
    assert answer.headers["btcql-warning"].startswith("CLAMPED: the range reaches beyond")
    assert answer.headers["content-disposition"] == (
        'attachment; filename="BTC-USD_candles_DAY_20240110_20240111.csv"'
    )
    assert answer.content.count(b"\r\n") == 2
    head = api.http.head("/export/candles.csv", params={"last": "WEEK"})
    assert (head.status_code, head.content) == (200, b"")


@pytest.mark.parametrize("kind", READERS)
def test_a_range_beyond_the_data_is_an_empty_file(api: Api, kind: str) -> None:
    assert exported(api, "candles", kind, **{"from": "2010-01-01", "to": "2010-01-02"}) == []


REFUSALS = [
    ("candles.csv", {}, 400, "BAD_USER_INPUT", "nothing is no range"),
    ("candles.csv", {"last": "WEEK", "lastDays": 3}, 400, "BAD_USER_INPUT", "last and lastDays is no range"),
    ("candles.csv", {"from": "2024-01-01"}, 400, "BAD_USER_INPUT", "from is no range"),
    ("candles.csv", {"last": "week"}, 400, "BAD_USER_INPUT", "'week' is not one of DAY, WEEK"),
    ("candles.csv", {"lastDays": "1e3"}, 400, "BAD_USER_INPUT", "lastDays: '1e3'"),
    ("candles.csv", {"lastDays": 0}, 400, "RANGE_INVALID", "lastDays 0"),
    ("candles.csv", {"last": "DAY", "maxPoints": 5}, 400, "BAD_USER_INPUT", "'maxPoints' is not a parameter"),
    ("candles.csv?last=DAY&last=DAY", {}, 400, "BAD_USER_INPUT", "last is given twice"),
    ("candles.csv", {"last": "DAY", "includeIncomplete": "yes"}, 400, "BAD_USER_INPUT", "neither true"),
    (
        "candles.csv",
        {"from": "2024-01-01", "to": "2024-01-02T00:00:00Z"},
        400,
        "BAD_USER_INPUT",
        "from: '2024-01-01' is not an instant",
    ),
    (
        "candles.csv?from=2024-01-01T00:00:00+02:00&to=2024-01-02T00:00:00Z",
        {},
        400,
        "BAD_USER_INPUT",
        "write + as %2B",
    ),
    ("candles.csv", {"from": "2024-01-02", "to": "2024-01-01"}, 400, "RANGE_INVALID", "go backwards"),
    ("candles.csv", {"last": "DAY", "symbol": "X-Y"}, 404, "MARKET_NOT_FOUND", "BTC-USD"),
    (
        "candles.csv",
        {"from": "2023-05-01", "to": "2023-05-01", "interval": "HOUR"},
        400,
        "INTERVAL_UNSUPPORTED",
        "finest is DAY",
    ),
    ("movingAverage.csv", {"last": "DAY"}, 400, "BAD_USER_INPUT", "window is missing"),
    ("movingAverage.csv", {"last": "DAY", "window": 1001}, 400, "WINDOW_INVALID", "1001"),
    ("forecast.csv", {"asOf": "2020-01-01"}, 404, "FORECAST_UNAVAILABLE", "2023-12-20"),
    ("forecast.csv", {"horizon": 16}, 400, "BAD_USER_INPUT", "horizon 16"),
    ("candles.xlsx", {"last": "DAY"}, 404, "BAD_USER_INPUT", "csv, json, arrow, parquet"),
    ("prices.csv", {"last": "DAY"}, 404, "BAD_USER_INPUT", "candles, movingAverage, forecast"),
]


@pytest.mark.parametrize(("address", "asked", "status", "code", "part"), REFUSALS)
def test_what_cannot_be_exported_is_refused_with_the_codes_of_the_contract(
    api: Api, address: str, asked: dict[str, Any], status: int, code: str, part: str
) -> None:
    answer = api.http.get(f"/export/{address}", params=asked or None)
    (error,) = answer.json()["errors"]
    assert (answer.status_code, error["extensions"]["code"]) == (status, code)
    assert part in error["message"]
    assert answer.headers["content-type"] == "application/json"


def test_the_api_starts_without_what_only_some_exports_need(edition: str) -> None:
    check = "import sys, graphql_api.app; sys.exit(not {'pyarrow', 'pandas'}.isdisjoint(sys.modules))"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0


def test_a_file_is_sent_again_only_when_it_has_changed(api: Api) -> None:
    closed = {"from": "2023-03-01", "to": "2023-03-31"}
    tags = set()
    for form, asked in (("csv", closed), ("json", closed), ("csv", {"last": "MONTH"})):
        address = f"/export/candles.{form}"
        first = api.http.get(address, params=asked)
        again = api.http.get(address, params=asked, headers={"if-none-match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == first.headers["etag"]
        other = api.http.get(address, params=asked, headers={"if-none-match": '"another"'})
        assert (other.status_code, other.content) == (200, first.content)
        tags.add(first.headers["etag"])
    assert len(tags) == 3


def test_a_closed_range_may_be_kept_for_an_hour_and_an_open_one_is_asked_for_again(api: Api) -> None:
    def kept(**asked: str) -> str:
        return api.http.get("/export/candles.csv", params=asked).headers["cache-control"]

    wait_for(lambda: kept(**{"from": "2023-03-01", "to": "2023-03-31"}) == "public, max-age=3600")
    assert kept(last="MONTH") == "public, no-cache"
    assert kept(**{"from": "2024-01-01", "to": "2024-01-31"}) == "public, no-cache", "clamped"
    made_up = {"symbol": "FAKE-USD", "from": "2020-01-02", "to": "2020-01-04"}
    assert kept(**made_up) == "public, no-cache", "real bars may come at any time"
