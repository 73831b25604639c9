"""The same files through lakes on local disk, in S3 and on HDFS give the same database."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import command_in
from tests.cli.files import daily_rows, write_csv
from tests.conftest import fresh_database
from tests.database.hashes import table_hashes
from tests.etl.files import klines
from tests.lake.places import LocalPlace, Place, S3Place, WebHdfsPlace

JANUARY = 1704067200
HOURS = 24 * 20
Hashes = dict[str, str]


@pytest.fixture(scope="module")
def imported(
    start_server: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[Place, Path, bool], Hashes]:
    """Import the files into a place's lake, by the command, and return the hashes of what that loaded."""
    files = tmp_path_factory.mktemp("files")
    (files / "BTCUSDT-1h-2024-01.csv").write_text(klines(JANUARY, HOURS))
    rows = daily_rows(40)
    write_csv(files / "days-1.csv", rows)
    rows[35] = rows[35].replace(",12.5", ",13.5")
    write_csv(files / "days-2.csv", rows)

    def load(place: Place, home: Path, rebuilt: bool) -> Hashes:
        with fresh_database(start_server("plain"), "plain") as database:
            btcql = command_in(home, "plain", BTCQL_DATABASE_URL=database.url, BTCQL_LAKE=place.given)
            btcql.succeed("import", str(files), "--symbol", "BTC-USD", "--source", "bitstamp")
            assert any(name.startswith("raw/") for name in place.contents())
            assert not (home / "lake").exists(), "it is where it was told to be, and nowhere else"
            hashes = table_hashes(database.url)
            if rebuilt:
                btcql.succeed("rebuild")
                assert table_hashes(database.url) == hashes, "the lake alone gives it too"
            return hashes

    return load


@pytest.fixture(scope="module")
def expected(
    imported: Callable[[Place, Path, bool], Hashes], tmp_path_factory: pytest.TempPathFactory
) -> Hashes:
    folder = tmp_path_factory.mktemp("local")
    hashes = imported(LocalPlace(folder / "a lake"), folder / "home", False)
    empty = hashlib.sha256().hexdigest()
    assert {"candle", "candle_1h", "candle_1d", "load"} <= {
        table for table, sha256 in hashes.items() if sha256 != empty
    }
    return hashes


@pytest.mark.parametrize("kind", ["s3", "webhdfs"])
def test_a_lake_elsewhere_gives_the_same_database_as_one_on_disk(
    imported: Callable[[Place, Path, bool], Hashes],
    expected: Hashes,
    kind: str,
    request: pytest.FixtureRequest,
    tmp_path: Path,
) -> None:
    if kind == "s3":
        server = request.getfixturevalue("s3")
        place: Place = S3Place(server, server.make_bucket())
    else:
        place = WebHdfsPlace(request.getfixturevalue("hdfs"), "/lake")
    assert imported(place, tmp_path / "home", kind == "webhdfs") == expected
