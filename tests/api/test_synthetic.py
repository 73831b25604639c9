"""The made-up market says so wherever its figures appear: in answers, and in files."""

from __future__ import annotations

import io
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from graphql_api.delivery import with_warning
from tests.api.serving import Api

pytestmark = pytest.mark.parametrize("edition", ["plain"], indirect=True, scope="session")

RANGE = "range: {lastDays: 3}"
MADE_UP = {"code": "SYNTHETIC", "message": "FAKE-USD is made-up sample data: nobody ever paid these prices"}
FIELDS = {
    "candles": f"candles({RANGE}) {{ warnings {{ code message }} }}",
    "movingAverage": f"movingAverage({RANGE}, window: 2) {{ warnings {{ code message }} }}",
    "movement": f"movement({RANGE}) {{ warnings {{ code message }} }}",
}


def asked(api: Api, selection: str, symbol: str = "FAKE-USD") -> Any:
    return api.post(f'{{ market(symbol: "{symbol}") {{ {selection} }} }}').json()


@pytest.mark.parametrize("name", FIELDS)
def test_a_field_with_warnings_warns_of_made_up_prices(api: Api, name: str) -> None:
    assert asked(api, FIELDS[name])["data"]["market"][name]["warnings"] == [MADE_UP]
    assert asked(api, FIELDS[name], "DAY-USD")["data"]["market"][name]["warnings"] == []


def test_an_answer_with_made_up_prices_says_so_in_its_extensions(api: Api) -> None:
    price = 'price(at: "2020-02-01T00:00:00Z") { value }'
    for _ in range(2):  # made, and kept
        assert asked(api, price)["extensions"] == {"warnings": [MADE_UP]}
    failing = asked(api, f"{price} candles(range: {{lastDays: 0}}) {{ warnings {{ code }} }}")
    assert failing["errors"]
    assert failing["extensions"] == {"warnings": [MADE_UP]}
    everyone = api.post("{ markets { symbol price { value } } }").json()
    assert everyone["extensions"] == {"warnings": [MADE_UP]}
    assert "extensions" not in asked(api, "price { value }", "DAY-USD")


def test_an_answer_of_before_the_database_went_keeps_its_own_warnings(edition: str) -> None:
    body = orjson.dumps({"data": {"a": [1.5, None]}, "extensions": {"warnings": [MADE_UP]}})
    told = orjson.loads(with_warning(body, 7))
    assert told["data"] == {"a": [1.5, None]}
    assert [warning["code"] for warning in told["extensions"]["warnings"]] == ["SYNTHETIC", "STALE"]


@pytest.mark.parametrize("table", ["candles.{}?lastDays=3", "movingAverage.{}?lastDays=3&window=2"])
def test_a_file_of_made_up_prices_says_so_in_its_name_its_header_and_itself(api: Api, table: str) -> None:
    for form in ("csv", "json", "arrow", "parquet"):
        for method in ("GET", "HEAD"):
            answer = api.http.request(method, f"/export/{table.format(form)}&symbol=FAKE-USD")
            assert answer.headers["btcql-warning"] == f"SYNTHETIC: {MADE_UP['message']}"
            assert 'filename="SYNTHETIC_FAKE-USD_' in answer.headers["content-disposition"]
        real = api.http.get(f"/export/{table.format(form)}&symbol=DAY-USD")
        assert "btcql-warning" not in real.headers
        assert 'filename="DAY-USD_' in real.headers["content-disposition"]
        if form in {"arrow", "parquet"}:
            made_up = api.http.get(f"/export/{table.format(form)}&symbol=FAKE-USD").content
            assert metadata(form, made_up) == {b"btcql-warning": f"SYNTHETIC: {MADE_UP['message']}".encode()}
            assert metadata(form, real.content) is None


def metadata(form: str, body: bytes) -> Any:
    if form == "parquet":
        return pq.read_schema(io.BytesIO(body)).metadata
    return pa.ipc.open_stream(body).schema.metadata
