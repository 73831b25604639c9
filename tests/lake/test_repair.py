"""A damaged lake is made whole, to the same bytes, wherever it is; or what is needed is said."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from btcql.errors import InputError
from btcql.records import SYNTHETIC, Timeframe
from etl.repair import repair
from etl.sources.sample import sample_bars
from lake.original import file_sha256
from lake.path import Partition
from lake.schema import by_month
from lake.store import Lake
from tests.cli.files import daily_rows, write_csv
from tests.lake.bars import bars, february, partition, publish
from tests.lake.landing import land
from tests.lake.places import LocalPlace, Place


def part(place: Place, word: str) -> str:
    return next(name for name in place.contents() if name.endswith(".parquet") and word in name)


def flipped(content: bytes) -> bytes:
    return content[:50] + bytes([content[50] ^ 1]) + content[51:]


@pytest.mark.parametrize(
    "damage",
    [flipped, lambda content: content[: len(content) // 2], lambda _: b"", None],
    ids=["a flipped bit", "half a file", "an empty file", "no file"],
)
def test_bars_are_remade_from_the_imported_file_to_the_same_bytes(
    place: Place, tmp_path: Path, damage: Callable[[bytes], bytes] | None
) -> None:
    lake = Lake(place.given)
    land(lake, write_csv(tmp_path / "days.csv", daily_rows(50)), tmp_path)
    before = place.contents()
    name = part(place, "month=2022-01")
    if damage:
        place.write(name, damage(before[name]))
    else:
        place.remove(name)
    done = repair(lake, [], tmp_path)
    assert (done.restored, done.left) == ((name,), ())
    assert place.contents() == before
    assert lake.verify() == []
    assert repair(lake, [], tmp_path).restored == ()


def test_an_imported_file_and_its_bars_come_back_from_a_copy(place: Place, tmp_path: Path) -> None:
    lake = Lake(place.given)
    path = write_csv(tmp_path / "days.csv", daily_rows(50))
    land(lake, path, tmp_path)
    before = place.contents()
    original = f"original/{file_sha256(path)}/days.csv"
    place.write(original, b"gone wrong")
    place.remove(part(place, "month=2022-01"))
    done = repair(lake, [], tmp_path)
    assert done.restored == ()
    assert [reason.split(": ")[0] for reason in done.left] == [
        f"{place.address}/{name}" for name in (original, next(n for n in before if "month=2022-01/part" in n))
    ]
    assert all("btcql lake repair days.csv, with the file that was imported" in why for why in done.left)
    with pytest.raises(InputError, match="cannot be read"):
        repair(lake, [tmp_path / "absent.csv"], tmp_path)
    other = write_csv(tmp_path / "other.csv", daily_rows(40))
    assert repair(lake, [other], tmp_path).restored == (), "another file is no copy"
    assert len(repair(lake, [other, path], tmp_path).restored) == 2
    assert place.contents() == before


@pytest.fixture
def local(tmp_path: Path) -> LocalPlace:
    return LocalPlace(tmp_path / "lake")


def test_made_up_bars_are_made_up_again(local: LocalPlace, tmp_path: Path) -> None:
    lake = Lake(local.given)
    through = datetime(2026, 1, 5, tzinfo=UTC)
    for month, table in by_month(sample_bars(through)[Timeframe.MINUTE]):
        where = Partition(SYNTHETIC, "BTC-USD", Timeframe.MINUTE, month)
        publish(lake, where, table, sample_through="2026-01-05")
    before = local.contents()
    local.write(part(local, "month=2026-01"), b"")
    assert len(repair(lake, [], tmp_path).restored) == 1
    assert local.contents() == before


def test_fetched_bars_come_from_a_copy_or_must_be_fetched_again(local: LocalPlace, tmp_path: Path) -> None:
    lake = Lake(local.given)
    publish(lake, partition(), bars(february(), 24), exchange="bitstamp", timeframe="1h")
    name = part(local, "month=2024-02")
    copy = tmp_path / "copy.parquet"
    copy.write_bytes(local.contents()[name])
    local.write(name, flipped(copy.read_bytes()))
    done = repair(lake, [], tmp_path)
    assert done.restored == ()
    (reason,) = done.left
    assert reason.startswith(f"{local.address}/{name}: ")
    assert reason.endswith(
        "btcql ingest --source bitstamp --symbol BTC-USD --timeframe 1h --from 2024-02-01 --to 2024-02-29"
    )
    assert repair(lake, [copy], tmp_path).restored == (name,)
    assert lake.verify() == []


def test_what_cannot_be_repaired_is_said_and_left_as_it_is(local: LocalPlace, tmp_path: Path) -> None:
    lake = Lake(local.given)
    land(lake, write_csv(tmp_path / "days.csv", daily_rows(50)), tmp_path)
    local.write(
        f"raw/source=bitstamp/symbol=BTC-USD/timeframe=1d/month={date(2022, 2, 1):%Y-%m}/manifest.json", b"{"
    )
    before = local.contents()
    done = repair(lake, [], tmp_path)
    assert done.restored == ()
    assert "is damaged" in done.left[0]
    assert local.contents() == before
