"""Exports by pieces: their length told first, then range after range of one file that is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pandas as pd
import psycopg
import pytest
from fsspec.implementations.http import HTTPFileSystem

from btcql.settings import Settings
from graphql_api import auth
from graphql_api.export import bars as exports
from graphql_api.export import endpoint
from graphql_api.limiter import Limiter
from graphql_api.resolvers import read_bars
from tests.api.markets import load, numbered
from tests.api.serving import Api, listens, serving, wait_for
from tests.conftest import Database, fresh_database

pytestmark = pytest.mark.parametrize("edition", ["plain"], indirect=True, scope="session")

ADDRESS = "/export/candles.csv?symbol=DAY-USD&from=2023-12-01&to=2023-12-31"
PARQUET = ADDRESS.replace(".csv", ".parquet")
EXPORTING = (
    "SELECT count(*) FROM pg_stat_activity"
    " WHERE application_name = 'btcql-api' AND state = 'active' AND wait_event_type = 'Lock'"
)


@pytest.fixture
def loaded(database: Database) -> Database:
    load(database.url, "DAY-USD", numbered("2023-12-01", 41), "bitstamp")
    return database


def with_spool(folder: Path, **settings: str) -> Settings:
    return Settings(anonymous_rate_text="unlimited", export_spool_path=str(folder), **settings)


@pytest.fixture
def changing(loaded: Database, tmp_path: Path) -> Iterator[Api]:
    """A market of 41 days, whose database is the test's own."""
    with serving(loaded.reader_url, settings=with_spool(tmp_path / "spool")) as api:
        listens(api)
        yield api


@pytest.fixture(scope="module")
def spool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("exports") / "spool"


@pytest.fixture(scope="module")
def days(server_url: str, edition: str, spool: Path) -> Iterator[Api]:
    """The same market for all who only read."""
    with fresh_database(server_url, edition) as fresh:
        load(fresh.url, "DAY-USD", numbered("2023-12-01", 41), "bitstamp")
        with serving(fresh.reader_url, settings=with_spool(spool)) as api:
            listens(api)
            yield api


def ranged(api: Api, given: str, address: str = ADDRESS, **headers: str) -> httpx.Response:
    return api.http.get(address, headers={"range": given, **headers})


def at(api: Api, address: str) -> str:
    return f"{api.http.base_url}{address}".replace("//export", "/export")


def test_head_tells_the_length_of_the_very_file_that_get_gives(days: Api, spool: Path) -> None:
    for form in ("csv", "json", "arrow", "parquet"):
        address = ADDRESS.replace(".csv", f".{form}")
        streamed, head = days.http.get(address), days.http.head(address)
        assert (head.status_code, head.content) == (200, b"")
        assert int(head.headers["content-length"]) == len(streamed.content)
        for name in ("etag", "content-type", "content-disposition", "cache-control", "accept-ranges"):
            assert head.headers[name] == streamed.headers[name]
        assert days.http.get(address).content == streamed.content, "from the file now"
    assert "content-length" not in streamed.headers
    assert list(spool.iterdir()) == [], "what is kept has no name: it goes with the process"


RANGES = [
    ("from the start", "bytes=0-9", 206, slice(0, 10)),
    ("in the middle", "bytes=10-19", 206, slice(10, 20)),
    ("from somewhere on", "bytes=30-", 206, slice(30, None)),
    ("the last", "bytes=-7", 206, slice(-7, None)),
    ("more than there is of the last", "bytes=-99999999", 206, slice(None)),
    ("beyond the end", "Bytes = 30-99999999", 206, slice(30, None)),
    ("after the end", "bytes=99999999-", 416, None),
    ("the last nothing", "bytes=-0", 416, None),
    ("several", "bytes=0-1,5-6", 200, slice(None)),
    ("backwards", "bytes=9-5", 200, slice(None)),
    ("no bytes", "lines=0-1", 200, slice(None)),
    ("no numbers", "bytes=a-b", 200, slice(None)),
    ("numbers of no end", "bytes=0-" + "9" * 5000, 200, slice(None)),
]


@pytest.mark.parametrize(("why", "given", "status", "part"), RANGES, ids=[case[0] for case in RANGES])
def test_a_range_is_answered_as_http_has_it(
    days: Api, why: str, given: str, status: int, part: slice | None
) -> None:
    whole = days.http.get(ADDRESS).content
    answer = ranged(days, given)
    assert answer.status_code == status
    if part is None:
        assert answer.headers["content-range"] == f"bytes */{len(whole)}"
        assert answer.json()["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
        return
    assert answer.content == whole[part]
    if status == 206:
        start, stop, _ = part.indices(len(whole))
        assert answer.headers["content-range"] == f"bytes {start}-{stop - 1}/{len(whole)}"
        assert int(answer.headers["content-length"]) == stop - start
    else:
        assert "content-range" not in answer.headers


def test_a_range_is_of_the_file_that_the_client_has_or_it_is_the_whole(days: Api) -> None:
    whole = days.http.get(ADDRESS)
    part = ranged(days, "bytes=5-", **{"if-range": whole.headers["etag"]})
    assert (part.status_code, part.content) == (206, whole.content[5:])
    for other in ('"another"', "W/" + whole.headers["etag"], "Thu, 11 Jan 2024 00:00:00 GMT"):
        answer = ranged(days, "bytes=5-", **{"if-range": other})
        assert (answer.status_code, answer.content) == (200, whole.content)
    for method in ("HEAD", "GET"):
        same = days.http.request(method, ADDRESS, headers={"if-none-match": whole.headers["etag"]})
        assert (same.status_code, same.content) == (304, b"")


def test_a_file_is_made_once_for_all_who_ask_at_a_time(
    loaded: Database, changing: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[object] = []

    async def counting(*args: Any) -> Any:
        reads.append(args)
        return await read_bars(*args)

    monkeypatch.setattr(exports, "read_bars", counting)
    with psycopg.connect(loaded.url) as locking, psycopg.connect(loaded.url, autocommit=True) as watching:
        locking.execute("LOCK TABLE candle_day IN ACCESS EXCLUSIVE MODE")
        with ThreadPoolExecutor(8) as pool:
            asking = [pool.submit(ranged, changing, f"bytes={n}-{n}", PARQUET) for n in range(8)]
            wait_for(lambda: watching.execute(EXPORTING).fetchone() == (1,))
            locking.rollback()
            answers = [each.result() for each in asking]
    assert [answer.status_code for answer in answers] == [206] * 8
    assert b"".join(answer.content for answer in answers)[:4] == b"PAR1"
    assert len(reads) == 1


def test_who_reads_by_ranges_goes_on_with_one_file_while_bars_are_loaded(
    loaded: Database, changing: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = changing.http.get(ADDRESS)
    assert ranged(changing, "bytes=0-99").content == before.content[:100]
    frame = numbered("2023-12-01", 41)
    corrected = frame.assign(**{name: frame[name] + 1000 for name in ("open", "high", "low", "close")})
    load(loaded.url, "DAY-USD", corrected.drop(frame.index[5]), "coinbase")
    wait_for(lambda: changing.http.get(ADDRESS).headers["etag"] != before.headers["etag"])
    rest = ranged(changing, "bytes=100-")
    assert (rest.content, rest.headers["etag"]) == (before.content[100:], before.headers["etag"])
    after = changing.http.head(ADDRESS).headers
    assert int(after["content-length"]) > len(before.content)
    assert ranged(changing, "bytes=0-").headers["etag"] == after["etag"]
    monkeypatch.setattr(endpoint, "_STEADY_SECONDS", 0)
    load(loaded.url, "DAY-USD", frame, "bitstamp")
    wait_for(lambda: ranged(changing, "bytes=0-").content == before.content)


@pytest.mark.parametrize("why", ["no room", "no folder"])
def test_where_nothing_can_be_kept_exports_are_streamed_as_ever(
    loaded: Database, tmp_path: Path, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    settings = with_spool(tmp_path / "spool", export_spool_bytes_text="1000")
    if why == "no folder":
        (tmp_path / "file").touch()
        settings = with_spool(tmp_path / "file" / "spool")
    with serving(loaded.reader_url, settings=settings) as api:
        whole = api.http.get(ADDRESS)
        head, part = api.http.head(ADDRESS), ranged(api, "bytes=0-9")
    assert (head.status_code, "content-length" in head.headers) == (200, False)
    assert (part.status_code, part.content) == (200, whole.content)
    assert "cannot be kept" in caplog.text


def test_a_file_that_is_read_by_ranges_is_charged_once_for_ten_readings(
    loaded: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auth, "Limiter", lambda: Limiter(lambda: 0.0))  # no bucket fills again

    def left(answer: httpx.Response) -> int:
        assert answer.status_code in {200, 206}
        return int(answer.headers["ratelimit"].split(";")[1].removeprefix("r="))

    settings = Settings(anonymous_rate_text="200", export_spool_path=str(tmp_path))
    with serving(loaded.reader_url, settings=settings) as api:
        assert left(api.http.head(ADDRESS)) == 169, "31 days"
        assert [left(ranged(api, "bytes=0-")) for _ in range(10)] == list(range(168, 158, -1))
        assert left(api.http.head(ADDRESS)) == 158
        assert left(ranged(api, "bytes=-1")) == 158 - 31
        assert left(ranged(api, "bytes=0-")) == 126
        average = "/export/movingAverage.csv?symbol=DAY-USD&from=2024-01-05&to=2024-01-08&window=2"
        assert left(api.http.get(f"{average}&kind=EXPONENTIAL")) == 126 - 4 - 35, "with all days before"


def expected(api: Api) -> list[float]:
    asked = 'candles(range: {days: {from: "2023-12-01", to: "2023-12-31"}}) { columns { close } }'
    found: list[float] = api.market(asked, "DAY-USD")["candles"]["columns"]["close"]
    return found


def test_polars_opens_an_export_by_its_address(days: Api) -> None:
    polars = pytest.importorskip("polars", reason="polars is not installed: pip install polars")
    lazily = polars.scan_parquet(at(days, PARQUET)).filter(polars.col("close") > 20).select("close").collect()
    assert lazily["close"].to_list() == [close for close in expected(days) if close > 20]
    for read, address in ((polars.read_parquet, PARQUET), (polars.read_csv, ADDRESS)):
        assert read(at(days, address))["close"].to_list() == expected(days)


def test_duckdb_opens_an_export_by_its_address(days: Api) -> None:
    with duckdb.connect() as connection:
        try:
            connection.execute("LOAD httpfs")
        except duckdb.Error as error:
            pytest.skip(f"DuckDB's extension httpfs is not installed: {str(error)[:80]}")
        read_by(connection, days, lambda address: at(days, address))


class DatedFiles(HTTPFileSystem):  # type: ignore[misc]
    """DuckDB asks when a file was changed, which fsspec does not know of HTTP."""

    def modified(self, path: str) -> datetime:
        return datetime(2024, 1, 1, tzinfo=UTC)


def test_duckdb_opens_an_export_by_ranges_through_fsspec(days: Api) -> None:
    with duckdb.connect() as connection:
        connection.register_filesystem(DatedFiles())
        read_by(connection, days, lambda address: at(days, address))


def read_by(connection: duckdb.DuckDBPyConnection, api: Api, address: Callable[[str], str]) -> None:
    for reader, path in (("read_parquet", PARQUET), ("read_csv", ADDRESS)):
        rows = connection.execute(f"SELECT close FROM {reader}(?) ORDER BY start", [address(path)]).fetchall()
        assert [close for (close,) in rows] == expected(api)


def test_pandas_opens_parquet_by_its_address(days: Api) -> None:
    assert pd.read_parquet(at(days, PARQUET))["close"].tolist() == expected(days)
