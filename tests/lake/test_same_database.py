"""The same files through three lakes, on local disk, in S3 and on HDFS, give the same database."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from tests.cli.conftest import command_in
from tests.cli.files import daily_rows, write_csv
from tests.conftest import fresh_database
from tests.database.hashes import table_hashes
from tests.etl.files import klines
from tests.lake.places import LocalPlace, Place, S3Place, WebHdfsPlace
from tests.lake.s3 import S3Server
from tests.lake.webhdfs import NameNode

JANUARY = 1704067200
HOURS = 24 * 40


def test_a_lake_on_disk_in_s3_and_on_hdfs_gives_the_same_database(
    start_server: Callable[[str], str], s3: S3Server, hdfs: NameNode, tmp_path: Path
) -> None:
    files = tmp_path / "files"
    files.mkdir()
    (files / "BTCUSDT-1h-2024-01.csv").write_text(klines(JANUARY, HOURS))
    rows = daily_rows(100)
    write_csv(files / "days-1.csv", rows)
    rows[90] = rows[90].replace(",12.5", ",13.5")
    write_csv(files / "days-2.csv", rows)
    places: list[Place] = [
        LocalPlace(tmp_path / "lake"),
        S3Place(s3, s3.make_bucket()),
        WebHdfsPlace(hdfs, "/lake"),
    ]
    hashes = []
    for number, place in enumerate(places):
        with fresh_database(start_server("plain"), "plain") as database:
            btcql = command_in(
                tmp_path / f"home {number}", "plain", BTCQL_DATABASE_URL=database.url, BTCQL_LAKE=place.given
            )
            said = btcql.succeed("import", str(files), "--symbol", "BTC-USD", "--source", "bitstamp")
            assert "rows written" in said
            hashes.append(table_hashes(database.url))
            assert any(name.startswith("raw/") for name in place.contents()), "it is there and nowhere else"
            assert not (btcql.settings.home / "lake").exists()
    assert hashes[0] == hashes[1] == hashes[2]
    empty = hashlib.sha256().hexdigest()
    full = {table for table, sha256 in hashes[0].items() if sha256 != empty}
    assert {"candle", "candle_1h", "candle_1d", "load"} <= full
