"""The small commands, and what is wrong with how they are called."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from btcql import __version__
from tests.cli.conftest import Command
from tests.cli.files import daily_rows, write_csv


def test_version_and_help(plain_btcql: Command) -> None:
    assert plain_btcql.succeed("--version") == f"btcql {__version__}\n"
    said = plain_btcql.succeed("--help")
    for name in ("up", "import", "refresh", "forecast", "serve", "db", "lake", "doctor"):
        assert name in said


def test_stopped_anywhere_a_command_ends_with_the_code_of_an_interruption(tmp_path: Path) -> None:
    program = """
from btcql.cli import app, main

@app.command()
def stopped() -> None:
    exec("import os, signal; os.kill(os.getpid(), signal.SIGTERM)")

main()
"""
    (tmp_path / "stopping.py").write_text(program)
    command = [sys.executable, "-m", "stopping", "stopped"]
    root = str(Path(__file__).parents[2])
    ended = subprocess.run(
        command,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": root},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (130, "btcql: stopping\n")


def test_status_and_doctor_say_what_is_there(btcql: Command, edition: str, tmp_path: Path) -> None:
    for command in (["db", "status"], ["doctor"]):
        assert "no database yet" in btcql.succeed(*command)
    assert not (btcql.settings.home / "pg").exists(), "to look makes nothing"
    assert "0001_create_candle.sql" in btcql.succeed("db", "migrate", "--to", "1")
    assert "0002_create_aggregates.sql" in btcql.succeed("db", "migrate")
    assert btcql.succeed("db", "migrate") == "nothing to migrate\n"
    btcql.succeed("import", write_csv(tmp_path / "days.csv", daily_rows(30)))
    for said in (btcql.succeed("db", "status"), btcql.succeed("doctor")):
        assert f"{edition}: " in said
        assert "30 bars from file:days, 2022-01-01 00:00 to 2022-01-31 00:00" in said
        assert "up to date" in said
    assert "BTCQL_DATABASE_URL" in btcql.succeed("doctor")


def test_a_database_started_to_stay_stays(plain_btcql: Command, tmp_path: Path) -> None:
    url = plain_btcql.succeed("db", "start").strip()
    assert url.startswith("postgresql://")
    plain_btcql.succeed("import", write_csv(tmp_path / "days.csv", daily_rows(3)))
    plain_btcql.environment["BTCQL_DATABASE_URL"] = url
    assert "3 bars" in plain_btcql.succeed("db", "status")
    assert "0 rows written" in plain_btcql.succeed("import", tmp_path / "days.csv")
    assert "names a server of your own" in plain_btcql.fail("db", "stop")
    del plain_btcql.environment["BTCQL_DATABASE_URL"]
    plain_btcql.succeed("db", "stop")


def test_doctor_shows_what_is_odd_until_it_is_corrected(plain_btcql: Command, tmp_path: Path) -> None:
    rows = daily_rows(60)
    odd = [row.replace(",12.5", ",0") if day in {36, 37} else row for day, row in enumerate(rows)]
    file = write_csv(tmp_path / "days.csv", odd[:20] + odd[22:])
    plain_btcql.succeed("import", file, "--source", "bitstamp")
    said = plain_btcql.succeed("doctor")
    assert "BTC-USD no_trades" in said
    assert "2022-02-06 00:00 to 2022-02-08 00:00, bitstamp: 2 bars of 1d without a trade" in said
    assert "2022-01-21 00:00 to 2022-01-23 00:00, bitstamp: 2 bars of 1d missing" in said
    assert "missing" not in plain_btcql.succeed("db", "status")
    plain_btcql.succeed("import", write_csv(tmp_path / "all.csv", rows), "--source", "bitstamp")
    said = plain_btcql.succeed("doctor")
    assert "without a trade" not in said
    assert "missing" not in said


def test_refresh_makes_a_lost_database_anew_from_the_lake(plain_btcql: Command, tmp_path: Path) -> None:
    plain_btcql.succeed("import", write_csv(tmp_path / "days.csv", daily_rows(430)))
    before = plain_btcql.rows("SELECT * FROM candle ORDER BY ts")
    home = plain_btcql.settings.home
    (home / "pg").rename(home / "lost")
    assert "430 rows written" in plain_btcql.succeed("refresh")
    assert plain_btcql.rows("SELECT * FROM candle ORDER BY ts") == before
    assert plain_btcql.rows("SELECT count(*) FROM forecast") == [(1,)]


def test_settings_that_cannot_be_are_named(plain_btcql: Command, tmp_path: Path) -> None:
    file = write_csv(tmp_path / "days.csv", daily_rows(3))
    (tmp_path / "file").write_text("")
    wrong = {
        "BTCQL_HOME": str(tmp_path / "file" / "home"),
        "BTCQL_DATABASE_URL": "postgresql://nobody:s3cret@127.0.0.1:1/none",
        "BTCQL_PORT": "99999",
        "BTCQL_LUIGID_PORT": "x",
        "BTCQL_TIMESCALEDB_LICENSE": "mine",
        "BTCQL_PG_BIN": str(tmp_path),
        "BTCQL_HOEM": "var",
    }
    for variable, value in wrong.items():
        before = plain_btcql.environment.get(variable)
        plain_btcql.environment[variable] = value
        said = plain_btcql.fail("import", file)
        assert variable in said
        assert "s3cret" not in said
        if before is None:
            del plain_btcql.environment[variable]
        else:
            plain_btcql.environment[variable] = before


def test_a_spark_that_is_not_there_is_said_before_anything_starts(
    plain_btcql: Command, tmp_path: Path
) -> None:
    plain_btcql.environment.update(BTCQL_ENGINE="spark", JAVA_HOME=str(tmp_path))
    said = plain_btcql.fail("import", write_csv(tmp_path / "days.csv", daily_rows(3)))
    assert "BTCQL_ENGINE='spark' needs" in said
    assert "BTCQL_ENGINE=duckdb" in said
    assert not plain_btcql.settings.home.exists()


def test_a_day_to_come_is_no_day_to_forecast_from(plain_btcql: Command) -> None:
    assert "2100-01-01 has not ended" in plain_btcql.fail("forecast", "--as-of", "2100-01-01")
    assert plain_btcql.run("forecast", "--as-of", "yesterday").returncode == 2


def test_a_market_that_the_lake_has_not_is_named(plain_btcql: Command) -> None:
    assert "ETH-USD" in plain_btcql.fail("forecast", "--symbol", "ETH-USD")
    assert "ETH-USD" in plain_btcql.fail("refresh", "--symbol", "ETH-USD")
