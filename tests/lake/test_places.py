"""One table of behaviour for a lake on local disk, in S3 and on HDFS."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from btcql.errors import InputError, LakeError
from btcql.records import Timeframe
from lake.original import file_sha256
from lake.path import Partition
from lake.receipt import Receipt
from lake.store import Lake
from tests.lake.bars import FETCHED_AT, bars, february, partition, publish
from tests.lake.places import Place


@pytest.fixture
def lake(place: Place) -> Lake:
    return Lake(place.given)


def part(place: Place) -> str:
    """The name of the only file of bars."""
    (name,) = [name for name in place.contents() if name.endswith(".parquet")]
    return name


def receipt(*partitions: Partition) -> Receipt:
    return Receipt(
        "ab" * 32, "BTC-USD", "bitstamp", Timeframe.HOUR, "a.csv", 48, february(3), FETCHED_AT, partitions
    )


def test_asking_creates_nothing(place: Place, lake: Lake) -> None:
    assert (lake.partitions(), lake.symbols(), lake.manifests("BTC-USD")) == ([], [], [])
    assert lake.manifest(partition()) is None
    assert lake.receipt("ab" * 32, "BTC-USD", "bitstamp", None) is None
    assert (lake.verify(), lake.sweep()) == ([], 0)
    assert place.contents() == {}


def test_what_is_published_is_read_back_and_the_same_again_changes_nothing(place: Place, lake: Lake) -> None:
    table = bars(february(), 48)
    assert publish(lake, partition(), table, file="a.csv")
    assert lake.read(partition()).equals(table)
    assert lake.partitions() == [partition()]
    before = place.contents()
    assert len(before) == 2, "the bars and the manifest, and nothing of the making"
    assert not publish(lake, partition(), table, file="another.csv")
    assert place.contents() == before
    assert Lake(place.given).verify() == []


def test_a_correction_adds_a_file_that_wins_and_keeps_the_old_one(place: Place, lake: Lake) -> None:
    publish(lake, partition(), bars(february(), 48))
    old = part(place)
    assert publish(lake, partition(), bars(february(2), 48, price=500.0))
    assert lake.read(partition())["close"].to_pylist() == [
        *(100.0 + i for i in range(24)),
        *(500.0 + i for i in range(48)),
    ]
    (manifest,) = lake.manifests("BTC-USD", date(2024, 2, 1))
    assert (manifest.version, len(manifest.files)) == (2, 2)
    assert old in place.contents()
    assert publish(lake, partition(), bars(february(), 48)), "back to the first values"
    assert lake.read(partition())["close"].to_pylist()[:48] == [100.0 + i for i in range(48)]
    assert lake.verify() == []


def test_manifests_are_found_by_symbol_and_month(lake: Lake) -> None:
    ether = Partition("file:eth", "ETH-USD", Timeframe.DAY, date(2024, 3, 1))
    march = partition(month=date(2024, 3, 1))
    publish(lake, partition(), bars(february(), 24))
    publish(lake, march, bars(march.start, 24))
    publish(lake, ether, bars(ether.start, 3, Timeframe.DAY))
    for wanted, symbol, month in [
        ([partition(), march, ether], None, None),
        ([partition(), march], "BTC-USD", None),
        ([march, ether], None, date(2024, 3, 1)),
        ([ether], "ETH-USD", date(2024, 3, 1)),
        ([], "ETH-USD", date(2024, 2, 1)),
    ]:
        assert lake.partitions(symbol, month) == wanted
        assert [manifest.partition for manifest in lake.manifests(symbol, month)] == wanted
    publish(lake, march, bars(march.start, 48))
    assert [manifest.version for manifest in lake.manifests("BTC-USD")] == [1, 2], "never an old one"


def test_a_receipt_is_written_once_its_months_are_there(lake: Lake) -> None:
    with pytest.raises(LakeError, match="is not in the lake"):
        lake.write_receipt(receipt(partition()))
    publish(lake, partition(), bars(february(), 48))
    lake.write_receipt(receipt(partition()))
    lake.write_receipt(receipt(partition()))
    assert lake.receipt("ab" * 32, "BTC-USD", "bitstamp", None) == receipt(partition())
    assert lake.verify() == []


def test_a_source_is_removed_whole_and_can_come_back(place: Place, lake: Lake) -> None:
    publish(lake, partition("synthetic"), bars(february(), 48))
    publish(lake, partition("synthetic"), bars(february(), 49))
    publish(lake, partition(), bars(february(), 48))
    assert lake.remove("BTC-USD", "synthetic") == [partition("synthetic")]
    assert lake.remove("BTC-USD", "synthetic") == []
    assert lake.partitions() == [partition()]
    assert not [name for name in place.contents() if "synthetic" in name]
    assert publish(lake, partition("synthetic"), bars(february(), 48))
    assert lake.read(partition("synthetic")).num_rows == 48


def test_an_original_is_kept_once_and_read_back_by_its_own_name(
    place: Place, lake: Lake, tmp_path: Path
) -> None:
    path = tmp_path / "my prices é.csv"
    path.write_bytes(os.urandom(3 << 20))
    digest = file_sha256(path)
    with pytest.raises(LakeError, match=f"no file of SHA-256 {digest}"), lake.original(digest):
        pass
    lake.keep_original(path, digest)
    lake.keep_original(path, digest)
    assert place.contents() == {f"original/{digest}/{path.name}": path.read_bytes()}
    with lake.original(digest) as kept:
        assert kept.name == path.name
        assert kept.read_bytes() == path.read_bytes()
    assert lake.verify() == []


def test_an_original_that_changes_meanwhile_is_not_kept(place: Place, lake: Lake, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("one")
    with pytest.raises(InputError, match="changed while it was being read"):
        lake.keep_original(path, "00" * 32)
    assert place.contents() == {}


def flipped(content: bytes) -> bytes:
    damaged = bytearray(content)
    damaged[len(damaged) // 2] ^= 1
    return bytes(damaged)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (flipped, "does not match its checksum"),
        (lambda content: content[: len(content) // 2], "does not match its checksum"),
        (lambda _: b"", "does not match its checksum"),
        (None, "is missing"),
    ],
    ids=["a flipped bit", "half a file", "an empty file", "no file"],
)
def test_damage_is_refused_and_named_with_the_way_out(
    place: Place, lake: Lake, damage: Callable[[bytes], bytes] | None, reason: str
) -> None:
    publish(lake, partition(), bars(february(), 48))
    name = part(place)
    if damage:
        place.write(name, damage(place.contents()[name]))
    else:
        place.remove(name)
    for use in (lambda: lake.read(partition()), lambda: publish(lake, partition(), bars(february(), 50))):
        with pytest.raises(LakeError, match=f"{reason}: btcql lake repair") as refused:
            use()
        assert f"{place.address}/{name}" in str(refused.value)
    (problem,) = lake.verify()
    assert f"{place.address}/{name}" in problem


def test_a_damaged_original_is_refused_by_who_reads_it_elsewhere(
    place: Place, lake: Lake, tmp_path: Path
) -> None:
    path = tmp_path / "a.csv"
    path.write_text("some bars")
    digest = file_sha256(path)
    lake.keep_original(path, digest)
    place.write(f"original/{digest}/a.csv", b"some bard")
    (problem,) = lake.verify()
    assert f"{place.address}/original/{digest}/a.csv does not match its checksum" in problem
    lake.keep_original(path, digest)
    assert len(lake.verify()) == 1, "of the same size: it takes a repair"


def test_a_file_that_a_killed_writer_left_is_taken_up(place: Place, lake: Lake) -> None:
    """Killed between the bars and the manifest: the bars are there, the month is not."""
    publish(lake, partition(), bars(february(), 48))
    before = place.contents()
    (manifest,) = [name for name in before if "manifest" in name]
    place.remove(manifest)
    assert Lake(place.given).partitions() == []
    assert publish(Lake(place.given), partition(), bars(february(), 48))
    assert place.contents() == before
    place.remove(manifest)
    place.write(part(place), b"half")
    assert publish(Lake(place.given), partition(), bars(february(), 48))
    assert place.contents() == before
