"""The lake: published once, read verified, removed whole."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from btcql.errors import InputError, LakeError
from btcql.records import Timeframe
from lake.original import file_sha256
from lake.path import Partition
from lake.receipt import Receipt
from lake.schema import by_month
from lake.store import Lake
from tests.lake.bars import FETCHED_AT, bars, february, partition, publish


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "my lake é [1] ₿"))


def contents(lake: Lake) -> dict[str, tuple[bytes, int]]:
    """Every file's bytes and time of change."""
    files = [path for path in Path(lake.root).rglob("*") if path.is_file()]
    return {str(path): (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


def parts(lake: Lake) -> list[Path]:
    return sorted(Path(lake.root).rglob("part-*.parquet"))


def test_opening_and_asking_create_nothing(lake: Lake) -> None:
    assert lake.partitions() == []
    assert lake.symbols() == []
    assert lake.manifest(partition()) is None
    assert lake.files(partition()) == []
    assert lake.verify() == []
    assert lake.sweep() == 0
    assert not Path(lake.root).exists()


def test_what_is_published_is_read_back(lake: Lake) -> None:
    table = bars(february(), 48)
    assert publish(lake, partition(), table, file="a.csv")
    assert lake.read(partition()).equals(table)
    assert lake.partitions() == [partition()]
    assert lake.symbols() == ["BTC-USD"]
    manifest = lake.manifest(partition())
    assert manifest is not None
    assert (manifest.version, manifest.complete_through) == (1, february(3))
    (file,) = manifest.files
    assert (file.rows, file.first_ts, file.last_ts) == (48, february(1), february(2, 23))
    assert (file.fetched_at, file.request) == (FETCHED_AT, {"file": "a.csv"})
    assert file.name == f"part-20240201T000000Z-20240203T000000Z-{file.sha256[:12]}.parquet"
    assert lake.verify() == []


def test_the_same_bars_again_change_nothing(lake: Lake) -> None:
    assert publish(lake, partition(), bars(february(), 48))
    before = contents(lake)
    assert not publish(lake, partition(), bars(february(), 48), file="another.csv")
    assert not publish(lake, partition(), bars(february(), 48).slice(5, 10)), "nor a part of them"
    assert contents(lake) == before


def test_a_corrected_fetch_adds_a_file_that_wins(lake: Lake) -> None:
    publish(lake, partition(), bars(february(), 48))
    old = parts(lake)
    assert publish(lake, partition(), bars(february(2), 48, price=500.0))
    close = lake.read(partition())["close"].to_pylist()
    assert close == [*(100.0 + i for i in range(24)), *(500.0 + i for i in range(48))]
    manifest = lake.manifest(partition())
    assert manifest is not None
    assert (manifest.version, len(manifest.files)) == (2, 2)
    assert set(old) < set(parts(lake)), "the old file is still there"


def test_bars_that_go_back_to_earlier_values_win_again(lake: Lake) -> None:
    first, second = bars(february(), 24), bars(february(), 30, price=500.0)
    digests = []
    for table in (first, second, first):
        assert publish(lake, partition(), table)
        manifest = lake.manifest(partition())
        assert manifest is not None
        digests.append(manifest.input_sha256)
    assert lake.read(partition())["close"].to_pylist() == [
        *(100.0 + i for i in range(24)),
        *(524.0 + i for i in range(6)),
    ]
    assert len(set(digests)) == 3
    assert lake.verify() == []


def test_reaching_further_without_new_bars_is_a_change(lake: Lake) -> None:
    publish(lake, partition(), bars(february(), 24))
    assert publish(lake, partition(), bars(february(), 24), through=february(5))
    assert not publish(lake, partition(), bars(february(), 24), through=february(4)), "it never goes back"
    manifest = lake.manifest(partition())
    assert manifest is not None
    assert (manifest.version, manifest.complete_through, len(manifest.files)) == (2, february(5), 1)


def test_complete_through_ends_with_the_month(lake: Lake) -> None:
    publish(lake, partition(), bars(february(), 24), through=datetime(2025, 7, 1, tzinfo=UTC))
    manifest = lake.manifest(partition())
    assert manifest is not None
    assert manifest.complete_through == datetime(2024, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        (bars(february(), 0), "there are no bars"),
        (bars(february(29), 25), "outside the month"),
        (bars(datetime(2024, 1, 31, 23, tzinfo=UTC), 2), "outside the month"),
        (bars(february(), 3, Timeframe.MINUTE), "whole 1h"),
        (bars(february(), 3).take([1, 0, 2]), "ascending"),
        (bars(february(), 3).take([0, 0, 2]), "ascending"),
        (bars(february(), 3, price=-10.0), "above zero"),
        (bars(february(), 3, price=float("nan")), "finite"),
        (bars(february(), 3, price=float("inf")), "finite"),
        (bars(february(), 3).drop_columns("volume"), "columns"),
        (
            bars(february(), 3).rename_columns(["ts", "open", "low", "high", "close", "volume"]),
            "columns|agreement",
        ),
    ],
)
def test_unsound_bars_are_not_taken(lake: Lake, table: pa.Table, reason: str) -> None:
    with pytest.raises(LakeError, match=reason) as refused:
        lake.publish(partition(), table, request={}, complete_through=FETCHED_AT, fetched_at=FETCHED_AT)
    assert partition().folder in str(refused.value)
    assert not Path(lake.root).exists()


def test_a_forming_bar_is_not_taken(lake: Lake) -> None:
    with pytest.raises(LakeError, match="still forming"):
        publish(lake, partition(), bars(february(), 3), through=february(1, 2))


def test_partitions_are_listed_by_symbol_and_month(lake: Lake) -> None:
    ether = Partition("file:eth", "ETH-USD", Timeframe.DAY, date(2024, 3, 1))
    publish(lake, partition(), bars(february(), 24))
    publish(lake, ether, bars(datetime(2024, 3, 1, tzinfo=UTC), 3, Timeframe.DAY))
    (Path(lake.root) / "raw" / ".DS_Store").touch()
    (Path(lake.root) / "raw" / "source=stray").mkdir()
    assert lake.partitions() == [partition(), ether]
    assert lake.partitions("ETH-USD") == [ether]
    assert lake.partitions(month=date(2024, 2, 1)) == [partition()]
    assert lake.symbols() == ["BTC-USD", "ETH-USD"]


def test_a_table_is_cut_by_month() -> None:
    table = bars(datetime(2023, 12, 31, 22, tzinfo=UTC), 24 * 33)
    cut = list(by_month(table))
    assert [(month, part.num_rows) for month, part in cut] == [
        (date(2023, 12, 1), 2),
        (date(2024, 1, 1), 744),
        (date(2024, 2, 1), 46),
    ]
    assert pa.concat_tables([part for _, part in cut]).equals(table)
    assert list(by_month(table.slice(0, 0))) == []


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


Damage = Callable[[Path], object]


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (flip, "does not match its checksum"),
        (lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]), "does not match"),
        (lambda path: path.write_bytes(b""), "does not match"),
        (lambda path: path.unlink(), "is missing"),
    ],
    ids=["a flipped bit", "half a file", "an empty file", "no file"],
)
def test_damage_is_found_and_named(lake: Lake, damage: Damage, reason: str) -> None:
    publish(lake, partition(), bars(february(), 48))
    (part,) = parts(lake)
    damage(part)
    for use in (lambda: lake.read(partition()), lambda: publish(lake, partition(), bars(february(), 50))):
        with pytest.raises(LakeError, match=reason) as refused:
            use()
        assert str(part) in str(refused.value)
    (problem,) = lake.verify()
    assert str(part) in problem


def test_a_damaged_or_misplaced_manifest_is_named(lake: Lake) -> None:
    publish(lake, partition(), bars(february(), 48))
    publish(lake, partition("coinbase"), bars(february(), 48))
    own, other = (Path(lake.root) / p.folder / "manifest.json" for p in (partition(), partition("coinbase")))
    other.write_bytes(own.read_bytes())
    with pytest.raises(LakeError, match="describes raw/source=bitstamp"):
        lake.read(partition("coinbase"))
    own.write_text("{")
    with pytest.raises(LakeError, match="is damaged"):
        lake.read(partition())
    assert len(lake.verify()) == 2


def test_an_original_is_kept_once_and_checked(lake: Lake, tmp_path: Path) -> None:
    path = tmp_path / "my prices é.csv"
    path.write_bytes(os.urandom(3 << 20))
    digest = file_sha256(path)
    lake.keep_original(path, digest)
    kept = Path(lake.root) / "original" / digest / path.name
    assert kept.read_bytes() == path.read_bytes()
    before = contents(lake)
    lake.keep_original(path, digest)
    assert contents(lake) == before
    assert lake.verify() == []
    flip(kept)
    assert str(kept) in lake.verify()[0]


def test_an_original_that_changes_meanwhile_is_not_kept(lake: Lake, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("one")
    with pytest.raises(InputError, match="changed while it was being read"):
        lake.keep_original(path, "00" * 32)
    with pytest.raises(InputError, match="cannot be read"):
        lake.keep_original(tmp_path / "absent.csv", "00" * 32)
    with pytest.raises(InputError, match="cannot be read"):
        file_sha256(tmp_path / "absent.csv")
    assert contents(lake) == {}


def receipt(*partitions: Partition, source: str = "bitstamp") -> Receipt:
    return Receipt(
        "ab" * 32, "BTC-USD", source, Timeframe.HOUR, "a.csv", 48, february(3), FETCHED_AT, partitions
    )


def test_a_receipt_is_found_by_file_symbol_source_and_timeframe(lake: Lake) -> None:
    publish(lake, partition(), bars(february(), 48))
    written = receipt(partition())
    lake.write_receipt(written)
    assert lake.receipt("ab" * 32, "BTC-USD", "bitstamp", Timeframe.HOUR) == written
    assert lake.receipt("ab" * 32, "BTC-USD", "bitstamp", None) == written
    assert lake.receipt("ab" * 32, "BTC-USD", "bitstamp", Timeframe.DAY) is None
    assert lake.receipt("ab" * 32, "BTC-USD", "coinbase", None) is None
    assert lake.receipt("cd" * 32, "BTC-USD", "bitstamp", None) is None


def test_a_receipt_vouches_only_for_what_is_there(lake: Lake) -> None:
    with pytest.raises(LakeError, match="is not in the lake"):
        lake.write_receipt(receipt(partition()))
    publish(lake, partition(), bars(february(), 48))
    lake.write_receipt(receipt(partition()))
    (Path(lake.root) / partition().folder / "manifest.json").unlink()
    assert "has no manifest.json" in lake.verify()[0]
    next(Path(lake.root).rglob("receipt/**/*.json")).write_text("[]")
    assert "is damaged" in lake.verify()[0]


def test_a_source_is_removed_whole_and_alone(lake: Lake) -> None:
    made_up, real = partition("synthetic"), partition()
    for where in (made_up, real):
        publish(lake, where, bars(february(), 48))
    publish(lake, partition("synthetic", Timeframe.MINUTE), bars(february(), 90, Timeframe.MINUTE))
    lake.write_receipt(receipt(made_up, source="synthetic"))
    removed = lake.remove("BTC-USD", "synthetic")
    assert removed == sorted([made_up, partition("synthetic", Timeframe.MINUTE)])
    assert lake.partitions() == [real]
    assert lake.receipt("ab" * 32, "BTC-USD", "synthetic", None) is None
    assert lake.remove("BTC-USD", "synthetic") == []
    assert all("synthetic" not in str(path) for path in Path(lake.root).glob("raw/**/*.parquet"))
    assert publish(lake, made_up, bars(february(), 48)), "it can come back"


def test_an_interrupted_removal_is_finished_by_the_next(lake: Lake) -> None:
    publish(lake, partition(), bars(february(), 48))
    (Path(lake.root) / partition().folder / "manifest.json").unlink()
    assert lake.partitions() == []
    assert lake.verify() == []
    lake.remove("BTC-USD", "bitstamp")
    assert parts(lake) == []


def test_sweep_removes_only_what_dead_writers_left(lake: Lake) -> None:
    publish(lake, partition(), bars(february(), 48))
    folder = Path(lake.root) / partition().folder
    old, young = folder / ".part.x.tmp", folder / ".part.y.tmp"
    for path in (old, young):
        path.write_bytes(b"half")
    long_ago = time.time() - 7200
    os.utime(old, (long_ago, long_ago))
    assert lake.sweep() == 1
    assert (old.exists(), young.exists()) == (False, True)
    assert lake.partitions() == [partition()]
    assert lake.verify() == []


def test_other_kinds_of_lake_are_refused_by_name() -> None:
    with pytest.raises(LakeError, match="memory://lake is not the address of a lake: give a folder"):
        Lake("memory://lake")


def test_a_file_address_is_a_local_lake(tmp_path: Path) -> None:
    lake = Lake(f"file://{tmp_path}/lake")
    assert publish(lake, partition(), bars(february(), 4))
    assert Lake(str(tmp_path / "lake")).partitions() == [partition()]


def test_a_whole_month_is_published_and_read_in_a_moment(lake: Lake) -> None:
    where = partition(timeframe=Timeframe.MINUTE, month=date(2024, 1, 1))
    began = time.perf_counter()
    publish(lake, where, bars(where.start, 44_640, Timeframe.MINUTE))
    assert lake.read(where).num_rows == 44_640
    assert timedelta(seconds=time.perf_counter() - began) < timedelta(seconds=30), "usually under a tenth"
