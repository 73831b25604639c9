"""Importing a file: through the lake and Luigi into the database, once, whole, or not at all."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path

import pytest

from tests.cli.conftest import Command, command_in
from tests.cli.files import daily_rows, write_csv

DAYS = 500
STATE = """
    SELECT (SELECT md5(string_agg(c::text, ',' ORDER BY symbol, ts)) FROM candle AS c),
           (SELECT md5(string_agg(d::text, ',' ORDER BY symbol, ts)) FROM candle_1d AS d),
           (SELECT md5(string_agg(symbol || month || input_sha256, ',' ORDER BY symbol, month)) FROM load),
           (SELECT count(*) FROM forecast)
"""

HALF_MONTHS = """
    SELECT *
    FROM load
    FULL JOIN (
        SELECT date_trunc('month', ts, 'UTC')::date AS month, count(*) AS found FROM candle GROUP BY 1
    ) AS bars USING (month)
    WHERE load.rows IS DISTINCT FROM bars.found
"""


def test_a_file_of_days_arrives_and_the_same_again_changes_nothing(btcql: Command, tmp_path: Path) -> None:
    file = write_csv(tmp_path / "days.csv", daily_rows(DAYS))
    said = btcql.succeed("import", file, "--source", "bitstamp", "--timeframe", "1d")
    assert f"days.csv as BTC-USD from bitstamp: {DAYS} rows written, 0 removed" in said
    assert btcql.rows("SELECT count(*), sum(observed) FROM candle_1d") == [(DAYS, DAYS)]
    assert btcql.rows("SELECT sum(rows), count(*) FROM load") == [(DAYS, 17)]
    assert btcql.rows("SELECT count(*), count(DISTINCT based_on) FROM forecast") == [(1, 1)]
    before = (
        btcql.rows("SELECT * FROM load ORDER BY month"),
        btcql.rows("SELECT xmin, ctid FROM scaled_candle"),
    )
    again = btcql.succeed("import", file, "--source", "bitstamp", "--timeframe", "1d")
    assert "0 rows written, 0 removed" in again
    assert before == (
        btcql.rows("SELECT * FROM load ORDER BY month"),
        btcql.rows("SELECT xmin, ctid FROM scaled_candle"),
    )


def test_a_corrected_file_changes_only_what_differs_and_keeps_the_old(
    best_btcql: Command, tmp_path: Path
) -> None:
    rows = daily_rows(60)
    best_btcql.succeed("import", write_csv(tmp_path / "a.csv", rows), "--source", "bitstamp")
    rows[40] = rows[40].replace(",12.5", ",13.5")
    said = best_btcql.succeed("import", write_csv(tmp_path / "b.csv", rows), "--source", "bitstamp")
    assert "1 rows written, 0 removed" in said
    assert best_btcql.rows("SELECT ts::date::text FROM candle WHERE volume = 13.5") == [("2022-02-10",)]
    listed = best_btcql.succeed("lake", "ls", "--symbol", "BTC-USD")
    assert "month=2022-02  2 files" in listed
    assert "month=2022-01  1 files" in listed
    assert "as they were published" in best_btcql.succeed("lake", "verify")


def test_a_correction_under_another_name_is_kept_and_told_how_to_count(
    plain_btcql: Command, tmp_path: Path
) -> None:
    rows = daily_rows(60)
    plain_btcql.succeed("import", write_csv(tmp_path / "days.csv", rows))
    rows[40] = rows[40].replace(",12.5", ",13.5")
    corrected = write_csv(tmp_path / "feb_corrected.csv", rows[31:41])
    said = plain_btcql.succeed("import", corrected)
    assert (
        "0 rows written, 0 removed: 10 bars of BTC-USD landed as file:feb_corrected, but are not chosen: "
        "the days of 2022-02 are taken from file:days, which has 28 bars there. "
        "To correct those, give the same source: --source file:days\n" in said
    )
    assert "1 rows written, 0 removed\n" in plain_btcql.succeed("import", corrected, "--source", "file:days")
    assert plain_btcql.rows("SELECT ts::date::text FROM candle WHERE volume = 13.5") == [("2022-02-10",)]


def test_days_that_an_import_has_in_vain_are_told_beside_those_that_are_new(
    plain_btcql: Command, tmp_path: Path
) -> None:
    rows = daily_rows(65)
    plain_btcql.succeed("import", write_csv(tmp_path / "days.csv", rows[:60]))
    said = plain_btcql.succeed("import", write_csv(tmp_path / "more.csv", rows[59:]))
    assert "5 rows written, 0 removed: 1 bars of BTC-USD landed as file:more, but are not chosen" in said
    assert "the days of 2022-03 are taken from file:days, which has 1 bars there" in said


def test_the_source_and_the_timeframe_may_be_left_to_the_file(plain_btcql: Command, tmp_path: Path) -> None:
    file = write_csv(tmp_path / "My prices (1).csv", daily_rows(40))
    assert "BTC-USD from file:My-prices--1-" in plain_btcql.succeed("import", file)
    assert plain_btcql.rows("SELECT DISTINCT sources FROM load") == [(["file:My-prices--1-"],)]
    assert plain_btcql.rows("SELECT DISTINCT minutes FROM candle") == [(1440,)]


def test_too_few_days_are_imported_without_a_forecast(plain_btcql: Command, tmp_path: Path) -> None:
    said = plain_btcql.succeed("import", write_csv(tmp_path / "short.csv", daily_rows(399)))
    assert "no forecast: only 399 closed days" in said
    assert "only 399 closed days" in plain_btcql.fail("forecast")


GOOD = daily_rows(3)
BAD = {
    "text for a price": [*GOOD[:1], "2022-01-02T00:00:00Z,x,2,1,1,1"],
    "NaN": [*GOOD[:1], "2022-01-02T00:00:00Z,nan,2,1,1,1"],
    "a negative price": [*GOOD[:1], "2022-01-02T00:00:00Z,1,2,-1,1,1"],
    "high below low": [*GOOD[:1], "2022-01-02T00:00:00Z,1,1,2,1,1"],
    "two bars at one time": [*GOOD[:1], "2022-01-01T00:00:00Z,1,2,1,1,1"],
    "milliseconds among seconds": ["1640995200,1,2,1,1,1", "1641081600000,1,2,1,1,1"],
    "a field too few": [*GOOD[:1], "2022-01-02T00:00:00Z,1,2,1,1"],
}


@pytest.mark.parametrize("rows", BAD.values(), ids=BAD.keys())
def test_a_bad_row_is_refused_by_its_line_and_nothing_is_loaded(
    plain_btcql: Command, tmp_path: Path, rows: list[str]
) -> None:
    file = write_csv(tmp_path / "bad.csv", rows)
    said = plain_btcql.fail("import", file, "--timeframe", "1d")
    assert f"{file}, line 3: " in said
    assert plain_btcql.rows("SELECT (SELECT count(*) FROM candle), (SELECT count(*) FROM load)") == [(0, 0)]
    assert plain_btcql.succeed("lake", "ls") == ""


def test_files_that_are_none_are_refused_by_name(plain_btcql: Command, tmp_path: Path) -> None:
    (tmp_path / "empty.csv").touch()
    (tmp_path / "half.csv.gz").write_bytes(b"\x1f\x8b\x08\x00half")
    write_csv(tmp_path / "columns.csv", ["2022-01-01,1"], header="timestamp,close")
    for name, reason in {
        "empty.csv": "is empty",
        "half.csv.gz": "gzip",
        "columns.csv": "open",
        "absent.csv": "is not a file",
    }.items():
        said = plain_btcql.fail("import", tmp_path / name)
        assert name in said
        assert reason in said


def test_names_that_are_none_are_refused(plain_btcql: Command, tmp_path: Path) -> None:
    file = write_csv(tmp_path / "days.csv", GOOD)
    assert "'bitcoin'" in plain_btcql.fail("import", file, "--symbol", "bitcoin")
    assert "'../x'" in plain_btcql.fail("import", file, "--source", "../x")
    assert "kept for made-up bars" in plain_btcql.fail("import", file, "--source", "synthetic")
    assert plain_btcql.run("import", file, "--timeframe", "5m").returncode == 2


@pytest.mark.parametrize("months", [1, 8, 15])
def test_a_killed_import_is_finished_by_the_next(best_btcql: Command, tmp_path: Path, months: int) -> None:
    file = write_csv(tmp_path / "days.csv", daily_rows(DAYS))
    with best_btcql.start("import", file, "--source", "bitstamp") as process:
        best_btcql.wait_for(f"SELECT count(*) >= {months} FROM load", process)
        process.kill()
    assert process.returncode == -signal.SIGKILL
    assert best_btcql.rows(HALF_MONTHS) == [], "a month is there with its marker, or not at all"
    best_btcql.succeed("import", file, "--source", "bitstamp")
    assert best_btcql.rows("SELECT count(*), sum(observed) FROM candle_1d") == [(DAYS, DAYS)]
    assert best_btcql.rows("SELECT sum(rows), count(*) FROM load") == [(DAYS, 17)]
    assert best_btcql.rows("SELECT count(*) FROM forecast") == [(1,)]
    assert "as they were published" in best_btcql.succeed("lake", "verify")


def test_two_imports_side_by_side_share_the_services(best_btcql: Command, tmp_path: Path) -> None:
    file = write_csv(tmp_path / "days.csv", daily_rows(450))
    with (
        best_btcql.start("import", file, "--symbol", "BTC-USD") as one,
        best_btcql.start("import", file, "--symbol", "ETH-USD") as other,
    ):
        said = [one.communicate(), other.communicate()]
    assert [(one.returncode, said[0][1]), (other.returncode, said[1][1])] == [(0, ""), (0, "")]
    assert "waiting for another btcql" in said[0][0] + said[1][0]
    assert best_btcql.rows("SELECT symbol, sum(rows) FROM load GROUP BY 1 ORDER BY 1") == [
        ("BTC-USD", 450),
        ("ETH-USD", 450),
    ]


def test_the_same_import_twice_at_once_has_one_effect(best_btcql: Command, tmp_path: Path) -> None:
    file = write_csv(tmp_path / "days.csv", daily_rows(450))
    with best_btcql.start("import", file) as one, best_btcql.start("import", file) as other:
        assert (one.communicate()[1], one.returncode) == ("", 0)
        assert (other.communicate()[1], other.returncode) == ("", 0)
    assert best_btcql.rows("SELECT sum(rows) FROM load") == [(450,)]
    assert best_btcql.rows("SELECT sum(observed) FROM candle_1d") == [(450,)]
    assert best_btcql.rows("SELECT count(*) FROM forecast") == [(1,)]


def test_two_homes_on_one_luigid_do_not_take_each_others_work(tmp_path: Path) -> None:
    file = write_csv(tmp_path / "days.csv", daily_rows(60))
    one = command_in(tmp_path / "one", "plain")
    other = command_in(tmp_path / "other", "plain", BTCQL_LUIGID_PORT=str(one.settings.luigid_port))
    with one.start("import", file) as first, other.start("import", file) as second:
        said = [first.communicate(), second.communicate()]
    assert (first.returncode, second.returncode) == (0, 0), said
    for command in (one, other):
        assert command.rows("SELECT sum(rows) FROM load") == [(60,)]
        assert command.processes() == []


def test_a_lake_that_is_not_the_databases_own_is_refused(plain_btcql: Command, tmp_path: Path) -> None:
    plain_btcql.succeed("import", write_csv(tmp_path / "a.csv", daily_rows(60)))
    plain_btcql.environment["BTCQL_LAKE"] = str(tmp_path / "another lake")
    said = plain_btcql.fail("import", write_csv(tmp_path / "b.csv", daily_rows(20)))
    assert "BTCQL_LAKE" in said
    assert "2022-02" in said
    assert plain_btcql.rows("SELECT sum(rows) FROM load") == [(60,)]


def test_a_damaged_raw_file_stops_the_run_by_name(plain_btcql: Command, tmp_path: Path) -> None:
    rows = daily_rows(20)
    plain_btcql.succeed("import", write_csv(tmp_path / "a.csv", rows), "--source", "bitstamp")
    (part,) = (plain_btcql.settings.home / "lake" / "raw").rglob("part-*.parquet")
    content = bytearray(part.read_bytes())
    content[len(content) // 2] ^= 1
    part.write_bytes(content)
    more = write_csv(tmp_path / "b.csv", daily_rows(25))
    before = plain_btcql.rows(STATE)
    assert part.name in plain_btcql.fail("import", more, "--source", "coinbase")
    assert plain_btcql.rows(STATE) == before
    ended = plain_btcql.run("lake", "verify")
    assert ended.returncode == 1
    assert part.name in ended.stderr


def test_a_month_that_the_lake_lost_comes_back_by_the_same_import(
    plain_btcql: Command, tmp_path: Path
) -> None:
    file = write_csv(tmp_path / "days.csv", daily_rows(60))
    plain_btcql.succeed("import", file)
    before = plain_btcql.rows(STATE)
    month = next(Path(plain_btcql.settings.lake).glob("raw/*/*/*/month=2022-02"))
    shutil.rmtree(month)
    assert "which has no manifest.json: import days.csv again" in plain_btcql.run("lake", "verify").stderr
    plain_btcql.succeed("import", file)
    assert "as they were published" in plain_btcql.succeed("lake", "verify")
    assert plain_btcql.rows(STATE) == before


def test_a_forecast_of_an_earlier_day_uses_no_later_bar(best_btcql: Command, tmp_path: Path) -> None:
    rows = daily_rows(DAYS)
    best_btcql.succeed("import", write_csv(tmp_path / "a.csv", rows), "--source", "bitstamp")
    best_btcql.succeed("forecast", "--as-of", "2023-03-01")
    points = (
        "SELECT horizon, day, prices FROM forecast_point NATURAL JOIN forecast WHERE based_on = '2023-03-01'"
    )
    first = best_btcql.rows(points)
    assert len(first) == 15
    changed = [*rows[:425], *daily_rows(DAYS, seed=8)[425:]]
    best_btcql.succeed("import", write_csv(tmp_path / "b.csv", changed), "--source", "bitstamp")
    best_btcql.succeed("forecast", "--as-of", "2023-03-01")
    assert best_btcql.rows(points) == first, "nothing was added, for the forecast of the same bars stands"
    newest = "SELECT count(*) FROM forecast WHERE based_on = '2023-05-15'"
    assert best_btcql.rows(newest) == [(2,)], "other bars give another vintage, and the first is kept"


def test_luigi_is_told_nothing_secret(plain_btcql: Command, tmp_path: Path) -> None:
    plain_btcql.succeed("import", write_csv(tmp_path / "a.csv", daily_rows(20)))
    state = (plain_btcql.settings.home / "luigi" / "state.pickle").read_bytes()
    assert b"LoadMonth" in state
    assert b"postgresql:" not in state
