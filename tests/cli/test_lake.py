"""The lake's commands: from where a day came, what is damaged, and repair to the same bytes."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from btcql.errors import LakeError
from btcql.records import Timeframe
from etl.lineage import day_lineage
from lake.path import Partition
from lake.store import Lake
from tests.cli.conftest import Command
from tests.cli.files import daily_rows, write_csv
from tests.lake.bars import bars, publish
from tests.lake.landing import land


def test_a_day_is_shown_with_its_objects_and_what_the_database_has(
    plain_btcql: Command, tmp_path: Path
) -> None:
    rows = daily_rows(60)
    plain_btcql.succeed("import", str(write_csv(tmp_path / "first.csv", rows)), "--source", "bitstamp")
    rows[40] = rows[40].replace(",12.5", ",13.5")
    plain_btcql.succeed("import", str(write_csv(tmp_path / "second.csv", rows)), "--source", "bitstamp")
    shown = plain_btcql.succeed("lake", "show", "2022-02-10")
    assert "BTC-USD 2022-02-10: 1 bars of 1d from bitstamp" in shown
    assert "database: it does not answer, so it was not asked" in shown
    assert plain_btcql.processes() == [], "nothing was started for it"
    plain_btcql.succeed("db", "start")
    try:
        shown = plain_btcql.succeed("lake", "show", "2022-02-10")
        assert "database: loaded from this at " in shown
        lake = Lake(plain_btcql.settings.lake)
        february = Partition("coinbase", "BTC-USD", Timeframe.DAY, date(2022, 2, 1))
        publish(lake, february, bars(datetime(2022, 2, 10, tzinfo=UTC), 1, Timeframe.DAY))
        shown = plain_btcql.succeed("lake", "show", "2022-02-10")
    finally:
        plain_btcql.succeed("db", "stop")
    blocks = shown.split("\n\n")
    assert [block.splitlines()[1].strip() for block in blocks[1:-1]] == [
        "1 of its 1 bars of the day are in force",
        "superseded: a later file has its 1 bars of the day",
        "not chosen: other bars of the day are better than its 1",
    ]
    assert "name second.csv" in blocks[1]
    assert "name first.csv" in blocks[2]
    assert "source=coinbase" in blocks[3]
    assert "btcql refresh brings it up to date" in blocks[-1], "the database has not seen coinbase's"


def test_a_day_out_of_range_is_an_error_that_says_the_range(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path / "lake"))
    with pytest.raises(LakeError, match="no bars of BTC-USD: it is empty"):
        day_lineage(lake, "BTC-USD", date(2022, 1, 1))
    land(lake, write_csv(tmp_path / "days.csv", daily_rows(60)), tmp_path)
    for day in (date(2031, 1, 1), date(2021, 12, 31), date(2022, 3, 20)):
        with pytest.raises(LakeError, match=f"on {day}: its bars are of 2022-01-01 to 2022-03-01"):
            day_lineage(lake, "BTC-USD", day)
    with pytest.raises(LakeError, match="no bars of ETH-USD: it has BTC-USD"):
        day_lineage(lake, "ETH-USD", date(2022, 1, 1))


def test_damage_is_found_and_repaired_by_the_command(plain_btcql: Command, tmp_path: Path) -> None:
    lake = Lake(plain_btcql.settings.lake)
    file = write_csv(tmp_path / "days.csv", daily_rows(60))
    land(lake, file, tmp_path)
    one, other = sorted(Path(lake.root).rglob("month=2022-0[12]/part-*.parquet"))
    original = next(Path(lake.root).rglob("original/*/days.csv"))
    whole = {path: path.read_bytes() for path in (one, other, original)}
    one.write_bytes(whole[one][:-100])
    said = plain_btcql.fail("lake", "show", "2022-01-10")
    assert f"{one} does not match its checksum: btcql lake repair" in said
    assert f"restored {one}" in plain_btcql.succeed("lake", "repair")
    original.write_bytes(b"other bytes")
    other.unlink()
    ended = plain_btcql.run("lake", "repair")
    assert ended.returncode == 1
    assert f"2 files of {lake.root} are not whole" in ended.stderr
    assert ended.stderr.count("btcql lake repair days.csv, with the file that was imported") == 2
    assert len(plain_btcql.succeed("lake", "repair", str(file)).splitlines()) == 2
    assert {path: path.read_bytes() for path in whole} == whole
    assert "was nothing to repair" in plain_btcql.succeed("lake", "repair")
