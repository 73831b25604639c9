"""Importing many files: which ones are meant, what each holds, and that a bad one stops no other."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from btcql.cli.archive import Selection, Wanted, data_files
from btcql.errors import InputError, PipelineError, SettingError
from btcql.records import Timeframe
from tests.cli.conftest import Command
from tests.cli.files import daily_rows, write_csv
from tests.etl.files import klines, zipped

HOURS = 24 * 14
NOVEMBER, JANUARY = 1730419200, 1735689600


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of downloads, some of them no data; it is the working folder."""
    november, january = klines(NOVEMBER, HOURS), klines(JANUARY, HOURS, unit=1_000_000)
    data = tmp_path / "my [data]"
    (data / "2023").mkdir(parents=True)
    (data / "BTCUSDT-1h-2025-01.zip").write_bytes(zipped(january, "BTCUSDT-1h-2025-01.csv"))
    (data / "BTCUSDT-1h-2025-01.zip.CHECKSUM").write_text("00")
    (data / "BTCUSDT-1h-2024-11.csv").write_text(november)
    (data / "README.md").write_text("# data")
    (data / ".hidden.csv").write_text("no bars")
    (data / "2023" / "BTCUSDT-1h-2023-01.csv").write_text(klines(1672531200, HOURS))
    monkeypatch.chdir(data)
    return data


def names(*arguments: str) -> list[str]:
    return [file.name for file in data_files(arguments)]


@pytest.mark.usefixtures("folder")
def test_a_file_a_folder_and_a_pattern_mean_their_data_files_in_the_order_of_names() -> None:
    both = ["BTCUSDT-1h-2024-11.csv", "BTCUSDT-1h-2025-01.zip"]
    assert names(".") == both
    assert names("*") == both
    assert names(str(Path.cwd())) == both, "a folder's name may have brackets"
    assert names(*reversed(both)) == both
    assert names(".", both[0], str(Path.cwd() / both[0])) == both, "each once"
    assert names("*-2024-*.csv") == both[:1]
    assert names("**/*.csv") == ["BTCUSDT-1h-2023-01.csv", both[0]]
    assert names("README.md") == ["README.md"], "what is named is taken at its word"


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("absent.csv", "absent.csv: is not a file or a folder"),
        ("*.parquet", r"\*.parquet: is a pattern that no data file fits \(.csv, .gz, .zip"),
        ("README*", "is a pattern that no data file fits"),
        ("empty", "empty: is a folder without a data file"),
    ],
)
def test_a_name_that_means_no_file_is_refused(name: str, reason: str) -> None:
    Path("empty").mkdir()
    (Path("empty") / "notes.txt").write_text("none")
    with pytest.raises(InputError, match=reason):
        data_files([".", name])


@pytest.mark.usefixtures("folder")
def test_what_is_given_goes_before_what_a_file_tells() -> None:
    file = Path("BTCUSDT-1h-2024-11.csv")
    told = Wanted().archive(file)
    assert (told.symbol, told.source, told.timeframe) == ("BTC-USDT", "binance", Timeframe.HOUR)
    given = Wanted("ETH-USD", "mine", Timeframe.DAY).archive(file)
    assert (given.symbol, given.source, given.timeframe) == ("ETH-USD", "mine", Timeframe.DAY)
    plain = write_csv(Path("My prices (1).csv"), daily_rows(3))
    told = Wanted().archive(plain)
    assert (told.symbol, told.source, told.timeframe) == ("BTC-USD", "file:My-prices--1-", None)
    unnamed = Path("klines.csv")
    unnamed.write_bytes(file.read_bytes())
    with pytest.raises(
        InputError, match="holds Binance klines, but does not tell of which market: give --symbol"
    ):
        Wanted().archive(unnamed)
    assert Wanted("BTC-USDT").archive(unnamed).source == "binance"


def test_what_cannot_be_given_is_refused_before_any_file_is_opened() -> None:
    with pytest.raises(SettingError, match="'bitcoin'"):
        Wanted("bitcoin")
    with pytest.raises(SettingError, match="kept for made-up bars"):
        Wanted(source="synthetic")


@pytest.mark.usefixtures("folder")
def test_of_many_files_those_that_are_none_are_told_together() -> None:
    Path("a.csv").write_text("<html>")
    Path("b.csv").touch()
    selection = Selection.of(["."], Wanted())
    assert [archive.file.name for archive in selection.archives] == names("BTCUSDT*")
    assert selection.described() == "2 files as BTC-USDT from binance"
    told = str(selection.refusal()).splitlines()
    assert told[0] == "2 of 4 files were refused, the others are in:"
    assert ["a.csv: is a web page" in told[1], "b.csv: is empty" in told[2]] == [True, True]
    with pytest.raises(InputError, match=r"^b.csv: is empty$"):
        Selection.of(["b.csv"], Wanted())
    with pytest.raises(PipelineError, match=r"^2 of 2 files were refused:\n"):
        Selection.of(["a.csv", "b.csv"], Wanted())


def test_a_folder_is_landed_file_by_file_and_a_bad_one_is_refused_by_its_line(
    plain_btcql: Command, folder: Path
) -> None:
    bad = folder / "BTCUSDT-1h-2024-12.csv"
    bad.write_text(klines(NOVEMBER + 86400 * 30, 5) + "1733029200000,1,2,3\n")
    (folder / "page.csv").write_text("<!DOCTYPE html>\n")
    write_csv(folder / "days.csv", daily_rows(20))
    ended = plain_btcql.run("import", folder)
    assert ended.returncode == 1
    assert "Land in the lake" in ended.stdout
    assert (
        f"3 files as BTC-USD, BTC-USDT from binance, file:days: {2 * HOURS + 20} rows written" in ended.stdout
    )
    told = ended.stderr.splitlines()
    assert told[0] == "btcql: 2 of 5 files were refused, the others are in:"
    assert f"{folder / 'page.csv'}: is a web page" in told[1]
    assert told[2].startswith(f"{bad}, line 6: 4 fields, where a row has 12")
    assert plain_btcql.rows("SELECT symbol, sum(rows) FROM load GROUP BY 1 ORDER BY 1") == [
        ("BTC-USD", 20),
        ("BTC-USDT", 2 * HOURS),
    ]
    receipts = list((plain_btcql.settings.home / "lake" / "receipt").rglob("*.json"))
    assert len(receipts) == 3, "one for each file"
    kept = {path.name: path for path in (plain_btcql.settings.home / "lake" / "original").rglob("*.*")}
    assert sorted(kept) == ["BTCUSDT-1h-2024-11.csv", "BTCUSDT-1h-2025-01.zip", "days.csv"]
    packed = "BTCUSDT-1h-2025-01.zip"
    assert kept[packed].read_bytes() == (folder / packed).read_bytes()
    before = plain_btcql.rows("SELECT * FROM load ORDER BY symbol, month")
    pattern = f"{os.path.relpath(folder.parent)}/*/BTCUSDT-*.zip"
    with plain_btcql.start("import", pattern, folder / "BTCUSDT-1h-2024-11.csv", folder=folder) as process:
        out, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (0, ""), out
    assert (
        "2 files as BTC-USDT from binance: 0 rows written, 0 removed: the lake has nothing new to load" in out
    )
    assert plain_btcql.rows("SELECT * FROM load ORDER BY symbol, month") == before
