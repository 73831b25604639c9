"""A lake on HDFS under faults, by WebHDFS; and through pyarrow's filesystem, over a local one."""

from __future__ import annotations

import time
from pathlib import Path

import pyarrow.fs as pa_fs
import pytest
from fsspec.implementations.arrow import ArrowFSWrapper

from btcql.errors import LakeError
from lake.files import Version
from lake.hadoop import Hadoop
from lake.hdfs import HdfsFiles
from lake.store import Lake
from tests.lake.bars import bars, february, partition, publish
from tests.lake.places import WebHdfsPlace
from tests.lake.processes import outcome, started
from tests.lake.webhdfs import Fault, NameNode, Refusal

BUSY: Refusal = (503, "RetriableException", "the name node is starting")
STANDBY: Refusal = (403, "StandbyException", "Operation category READ is not supported in state standby")
DENIED: Refusal = (403, "AccessControlException", "Permission denied: user=test, access=WRITE")
FULL: Refusal = (500, "DSQuotaExceededException", "The DiskSpace quota of /lake is exceeded")


@pytest.fixture
def place(hdfs: NameNode) -> WebHdfsPlace:
    return WebHdfsPlace(hdfs, "/lake")


@pytest.fixture
def lake(place: WebHdfsPlace) -> Lake:
    return Lake(place.given)


def refusing(refusal: Refusal, operation: str, times: int = 1 << 30) -> Fault:
    def fault(asked: str, path: str) -> Refusal | None:
        nonlocal times
        if asked != operation:
            return None
        times -= 1
        return refusal if times >= 0 else None

    return fault


def test_each_version_of_a_manifest_stays_and_the_newest_is_in_force(place: WebHdfsPlace, lake: Lake) -> None:
    for day in (1, 2, 3):
        publish(lake, partition(), bars(february(day), 24))
    names = [name.rpartition("/")[2] for name in place.contents() if "manifest" in name]
    assert sorted(names) == [f"manifest.{number:08d}.json" for number in (1, 2, 3)]
    assert lake.read(partition()).num_rows == 72
    assert not [name for name in place.contents() if name.startswith(".tmp")]


def test_a_lake_that_was_copied_from_elsewhere_is_taken_as_it_is(
    place: WebHdfsPlace, hdfs: NameNode, tmp_path: Path
) -> None:
    publish(Lake(str(tmp_path)), partition(), bars(february(), 24))
    for path in (path for path in (tmp_path / "raw").rglob("*") if path.is_file()):
        hdfs.put(f"/lake/{path.relative_to(tmp_path).as_posix()}", path.read_bytes())
    lake = Lake(place.given)
    assert lake.read(partition()).num_rows == 24
    assert publish(lake, partition(), bars(february(2), 24))
    assert lake.read(partition()).num_rows == 48
    assert lake.verify() == []


def test_two_processes_may_publish_to_one_partition_at_once(place: WebHdfsPlace) -> None:
    rivals = [
        started(
            """
            lake, first = Lake(sys.argv[1]), int(sys.argv[2])
            for day in range(first, 17, 2):
                assert publish(lake, partition(), bars(february(day), 24, price=100.0 * day))
            """,
            place.given,
            str(first),
        )
        for first in (1, 2)
    ]
    for rival in rivals:
        assert outcome(rival) == (0, "")
    lake = Lake(place.given)
    (manifest,) = lake.manifests()
    assert (manifest.version, len(manifest.files)) == (16, 16), "no one's bars were lost"
    assert lake.read(partition()).num_rows == 16 * 24
    assert lake.verify() == []


def test_a_writer_that_was_overtaken_merges_and_publishes_again(lake: Lake, hdfs: NameNode) -> None:
    overtaken: list[str] = []

    def overtake(operation: str, path: str) -> None:
        if operation == "CREATE" and not overtaken:
            overtaken.append(path)
            publish(lake, partition(), bars(february(), 24))

    hdfs.fault = overtake
    assert publish(lake, partition(), bars(february(2), 24))
    assert overtaken
    (manifest,) = lake.manifests()
    assert manifest.version == 2
    assert lake.read(partition()).num_rows == 48


@pytest.mark.parametrize("operation", ["CREATE", "CREATE data", "RENAME", "MKDIRS"])
@pytest.mark.parametrize(
    ("refusal", "said"),
    [(DENIED, "Permission denied: user=test.*give its user the right"), (FULL, "quota.*has space")],
    ids=["denied", "full"],
)
def test_a_refused_write_stops_the_month_and_nothing_is_half_published(
    place: WebHdfsPlace, lake: Lake, hdfs: NameNode, operation: str, refusal: Refusal, said: str
) -> None:
    publish(lake, partition(), bars(february(), 24))
    before = place.contents()
    hdfs.fault = refusing(refusal, operation)
    with pytest.raises(LakeError, match=said) as refused:
        publish(lake, partition(), bars(february(2), 24))
    assert str(refused.value).startswith(f"{place.address}/{partition()}/part-")
    assert place.contents() == before
    hdfs.fault = None
    assert publish(lake, partition(), bars(february(2), 24))
    assert lake.verify() == []


@pytest.mark.parametrize("operation", ["CREATE", "RENAME", "LISTSTATUS", "OPEN", "OPEN data"])
@pytest.mark.parametrize("refusal", [BUSY, STANDBY], ids=["503", "standby"])
def test_what_is_refused_for_a_moment_is_asked_again(
    lake: Lake, hdfs: NameNode, operation: str, refusal: Refusal
) -> None:
    publish(lake, partition(), bars(february(), 24))
    hdfs.fault = refusing(refusal, operation, times=2)
    assert publish(lake, partition(), bars(february(2), 24))
    assert lake.read(partition()).num_rows == 48


def test_a_rename_whose_answer_was_lost_is_known_as_done(lake: Lake, hdfs: NameNode) -> None:
    publish(lake, partition(), bars(february(), 24))
    hdfs.loss = refusing(BUSY, "RENAME", times=2)
    assert publish(lake, partition(), bars(february(2), 24))
    (manifest,) = lake.manifests()
    assert (manifest.version, len(manifest.files)) == (2, 2), "once"
    assert lake.verify() == []


def test_a_reading_that_breaks_off_goes_on_where_it_broke(lake: Lake, hdfs: NameNode) -> None:
    table = bars(february(), 600)
    publish(lake, partition(), table)
    hdfs.cut = 3
    assert lake.read(partition()).equals(table)
    hdfs.cut = 1000
    with pytest.raises(LakeError, match="see that HDFS is up"):
        lake.read(partition())


def test_reads_that_fail_say_so_and_are_not_taken_for_absence(lake: Lake, hdfs: NameNode) -> None:
    publish(lake, partition(), bars(february(), 24))
    hdfs.fault = lambda _operation, _path: DENIED
    for question in (lake.partitions, lambda: lake.manifest(partition()), lake.sweep):
        with pytest.raises(LakeError, match="HDFS says 403 AccessControlException"):
            question()


def test_what_killed_writers_left_aside_is_swept_after_an_hour(lake: Lake, hdfs: NameNode) -> None:
    publish(lake, partition(), bars(february(), 24))
    hdfs.put("/lake/.tmp/old", b"half")
    hdfs.put("/lake/.tmp/young", b"half")
    hdfs.changed["/lake/.tmp/old"] = time.time() - 7200
    assert lake.sweep() == 1
    assert "/lake/.tmp/young" in hdfs.files
    assert lake.verify() == []


def test_no_password_and_no_user_is_shown(hdfs: NameNode) -> None:
    lake = Lake(hdfs.url.replace("http://", "webhdfs://someone:secret@") + "/lake")
    assert lake.root == hdfs.url.replace("http://", "webhdfs://") + "/lake"


def test_addresses_that_lead_nowhere_are_named() -> None:
    with pytest.raises(LakeError, match=r"webhdfs://127.0.0.1 names no folder"):
        Lake("webhdfs://127.0.0.1:9870/")
    with pytest.raises(LakeError, match=r"webhdfs://127.0.0.1:9/lake/raw: .*see that HDFS is up"):
        Lake("webhdfs://127.0.0.1:9/lake").partitions()


def test_pyarrows_filesystem_serves_a_lake_as_webhdfs_does(tmp_path: Path) -> None:
    """Hadoop's library is not here; pyarrow's own local filesystem takes the same calls."""
    hadoop = Hadoop(ArrowFSWrapper(pa_fs.LocalFileSystem()))
    files = HdfsFiles("hdfs://cluster/lake", str(tmp_path / "lake"), hadoop)
    assert (files.names("raw"), files.sweep(), files.size("raw/a/x")) == ([], 0, None)
    files.publish("raw/a/x", [b"one ", b"two"])
    files.publish("raw/a/x", [b"one two"])
    assert (files.read("raw/a/x"), files.size("raw/a/x")) == (b"one two", 7)
    files.publish("raw/a/x", [b"three"])
    assert files.read("raw/a/x") == b"three", "what differs makes way"
    assert files.current("raw/a/manifest.json") is None
    assert files.swap("raw/a/manifest.json", b"{1}", None)
    assert not files.swap("raw/a/manifest.json", b"{2}", None)
    seen = files.current("raw/a/manifest.json")
    assert seen == Version(b"{1}", "1")
    assert files.swap("raw/a/manifest.json", b"{2}", seen)
    assert files.read("raw/a/manifest.json") == b"{2}"
    assert files.names("raw/a") == ["manifest.json", "x"]
    assert files.find("raw", None, "manifest.json") == ["raw/a/manifest.json"]
    files.remove("raw/a/manifest.json")
    files.remove("raw/a/x")
    files.remove("raw/a/x")
    files.remove_folder("raw/a")
    assert files.names("raw") == []
    with pytest.raises(LakeError, match="hdfs://cluster/lake/raw/a/x is missing"):
        files.read("raw/a/x")


def test_without_hadoops_library_the_error_says_what_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARROW_LIBHDFS_DIR", "/nonexistent")
    monkeypatch.setenv("HADOOP_HOME", "/nonexistent")
    with pytest.raises(LakeError, match=r"hdfs://cluster:8020/lake cannot be reached \([^\n]*\): .*libhdfs"):
        Lake("hdfs://cluster:8020/lake")
