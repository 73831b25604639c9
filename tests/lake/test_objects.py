"""A lake in S3 under faults: refusals, lost answers, rivals, and stores that are not what they must be."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest

from btcql.errors import InputError, LakeError
from lake import objects
from lake.original import file_sha256
from lake.store import Lake
from tests.lake.bars import bars, february, partition, publish
from tests.lake.places import S3Place
from tests.lake.processes import outcome, started
from tests.lake.s3 import Environ, Fault, S3Server, error

SLOW_DOWN = error("503 Slow Down", "SlowDown", "Please reduce your request rate.")
DENIED = error("403 Forbidden", "AccessDenied", "Access Denied")
MEBIBYTE = 1 << 20


@pytest.fixture
def bucket(s3: S3Server) -> S3Place:
    return S3Place(s3, s3.make_bucket())


@pytest.fixture
def lake(bucket: S3Place) -> Lake:
    return Lake(bucket.address)


def refusing(refusal: tuple[str, str], ending: str, times: int = 1 << 30) -> Fault:
    """Refuse so many requests that change an object whose name ends so."""

    def fault(environ: Environ) -> tuple[str, str] | None:
        nonlocal times
        if environ["REQUEST_METHOD"] == "GET" or not environ["PATH_INFO"].endswith(ending):
            return None
        times -= 1
        return refusal if times >= 0 else None

    return fault


def test_months_are_listed_and_read_in_few_requests(s3: S3Server, lake: Lake) -> None:
    months = [date(2011 + month // 12, month % 12 + 1, 1) for month in range(60)]
    publish(lake, partition(), bars(february(), 3))
    (template,) = lake.manifests("BTC-USD")
    bucket, prefix = lake.root.removeprefix("s3://").split("/", 1)
    for month in months:
        where = partition(month=month)
        content = template.to_json().replace('"2024-02"', f'"{month:%Y-%m}"')
        s3.client.put_object(Bucket=bucket, Key=f"{prefix}/{where}/manifest.json", Body=content)
        s3.client.put_object(Bucket=bucket, Key=f"{prefix}/{where}/part-a.parquet", Body=b"")
    s3.asked.clear()
    assert [manifest.partition.month for manifest in lake.manifests("BTC-USD")][:60] == months
    assert [method for method, _ in s3.asked] == ["GET"] * (2 + 60), (
        "two listings, and each manifest that it had not seen"
    )
    s3.asked.clear()
    assert len(lake.manifests("BTC-USD")) == 61
    assert len(s3.asked) == 2, "and what has not changed is not read again"
    s3.asked.clear()
    assert lake.partitions("BTC-USD", date(2012, 5, 1)) == [partition(month=date(2012, 5, 1))]
    assert len(s3.asked) == 3, "one for each level of any name, not one for each month"


@pytest.mark.parametrize("ending", [".parquet", "manifest.json"])
@pytest.mark.parametrize(
    ("refusal", "said"),
    [
        (SLOW_DOWN, "the store says SlowDown.*run it again later"),
        (error("500 Internal", "InternalError", "We failed."), "InternalError.*run it again later"),
        (DENIED, "the store says AccessDenied.*check the credentials"),
    ],
    ids=["503", "500", "403"],
)
def test_a_refused_put_stops_the_month_and_nothing_is_half_published(
    s3: S3Server, bucket: S3Place, lake: Lake, refusal: tuple[str, str], said: str, ending: str
) -> None:
    publish(lake, partition(), bars(february(), 24))
    s3.fault = refusing(refusal, ending)
    s3.asked.clear()
    with pytest.raises(LakeError, match=said) as refused:
        publish(lake, partition(), bars(february(2), 24))
    assert str(refused.value).startswith(f"{bucket.address}/{partition()}/")
    assert str(refused.value).split(": ")[0].endswith(ending)
    tries = [path for method, path in s3.asked if method == "PUT" and path.endswith(ending)]
    assert len(tries) == (1 if refusal == DENIED else 2), "as often as AWS_MAX_ATTEMPTS says"
    assert lake.read(partition()).num_rows == 24
    assert lake.verify() == []
    s3.fault = None
    assert publish(lake, partition(), bars(february(2), 24))
    assert lake.read(partition()).num_rows == 48
    assert lake.verify() == []


@pytest.mark.parametrize("ending", [".parquet", "manifest.json"])
def test_a_put_that_is_refused_once_is_tried_again(s3: S3Server, lake: Lake, ending: str) -> None:
    publish(lake, partition(), bars(february(), 24))
    s3.fault = refusing(SLOW_DOWN, ending, times=1)
    assert publish(lake, partition(), bars(february(2), 24))
    assert lake.read(partition()).num_rows == 48


@pytest.mark.parametrize("ending", [".parquet", "manifest.json"])
def test_a_put_whose_answer_was_lost_is_known_as_done(s3: S3Server, lake: Lake, ending: str) -> None:
    publish(lake, partition(), bars(february(), 24))
    s3.loss = refusing(SLOW_DOWN, ending, times=1)
    assert publish(lake, partition(), bars(february(2), 24))
    (manifest,) = lake.manifests()
    assert (manifest.version, len(manifest.files)) == (2, 2), "once, though it was put twice"
    assert lake.verify() == []


def test_reads_that_fail_say_so_and_are_not_taken_for_absence(s3: S3Server, lake: Lake) -> None:
    publish(lake, partition(), bars(february(), 24))
    s3.fault = lambda _: SLOW_DOWN
    ask: list[Callable[[], object]] = [
        lake.partitions,
        lambda: lake.manifest(partition()),
        lambda: lake.read(partition()),
        lambda: lake.receipt("ab" * 32, "BTC-USD", "bitstamp", None),
        lake.sweep,
    ]
    for question in ask:
        with pytest.raises(LakeError, match="the store says SlowDown"):
            question()


def test_a_bucket_that_is_not_there_is_named(s3: S3Server) -> None:
    lake = Lake("s3://no-such-bucket/lake")
    with pytest.raises(LakeError, match=r"s3://no-such-bucket.*make the bucket, or set BTCQL_LAKE"):
        lake.partitions()
    with pytest.raises(LakeError, match="NoSuchBucket"):
        publish(lake, partition(), bars(february(), 24))
    with pytest.raises(LakeError, match="s3:// names no bucket"):
        Lake("s3://")


def test_a_store_that_ignores_conditions_is_refused_before_anything_is_written(
    s3: S3Server, bucket: S3Place, lake: Lake
) -> None:
    def ignore(environ: Environ) -> None:
        environ.pop("HTTP_IF_NONE_MATCH", None)
        environ.pop("HTTP_IF_MATCH", None)

    s3.fault = ignore
    with pytest.raises(LakeError, match="ignores the conditions of a PUT"):
        publish(lake, partition(), bars(february(), 24))
    assert bucket.contents() == {}

    def ignore_matches_alone(environ: Environ) -> None:
        environ.pop("HTTP_IF_MATCH", None)

    s3.fault = ignore_matches_alone
    with pytest.raises(LakeError, match="ignores the conditions of a PUT"):
        publish(lake, partition(), bars(february(), 24))
    assert bucket.contents() == {}


def test_two_processes_may_publish_to_one_partition_at_once(bucket: S3Place) -> None:
    rivals = [
        started(
            """
            lake, first = Lake(sys.argv[1]), int(sys.argv[2])
            for day in range(first, 17, 2):
                assert publish(lake, partition(), bars(february(day), 24, price=100.0 * day))
            """,
            bucket.address,
            str(first),
        )
        for first in (1, 2)
    ]
    for rival in rivals:
        assert outcome(rival) == (0, "")
    lake = Lake(bucket.address)
    (manifest,) = lake.manifests()
    assert (manifest.version, len(manifest.files)) == (16, 16), "no one's bars were lost"
    assert lake.read(partition()).num_rows == 16 * 24
    assert lake.verify() == []


def test_a_writer_that_was_overtaken_merges_and_publishes_again(
    s3: S3Server, bucket: S3Place, lake: Lake
) -> None:
    """The rival publishes between this writer's reading of the manifest and its writing."""
    publish(lake, partition(), bars(february(), 24))
    manifest = f"{partition()}/manifest.json"
    before = bucket.contents()[manifest]
    publish(lake, partition(), bars(february(2), 24))
    after = bucket.contents()[manifest]
    bucket.write(manifest, before)
    overtaken = 0

    def overtake(environ: Environ) -> None:
        nonlocal overtaken
        if environ["REQUEST_METHOD"] == "PUT" and environ["PATH_INFO"].endswith(".parquet") and not overtaken:
            overtaken += 1
            bucket.write(manifest, after)

    s3.fault = overtake
    assert publish(lake, partition(), bars(february(3), 24))
    assert overtaken == 1
    assert lake.read(partition()).num_rows == 72
    assert lake.verify() == []


def test_a_big_original_is_put_in_parts_and_seen_only_whole(
    s3: S3Server, bucket: S3Place, lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objects, "_PART_BYTES", 5 * MEBIBYTE)
    monkeypatch.setattr(objects, "_READ_BYTES", 2 * MEBIBYTE)
    path = tmp_path / "big.csv"
    path.write_bytes(os.urandom(11 * MEBIBYTE + 17))
    digest = file_sha256(path)

    def third_part(environ: Environ) -> tuple[str, str] | None:
        return DENIED if "partNumber=3" in environ.get("QUERY_STRING", "") else None

    s3.fault = third_part
    with pytest.raises(LakeError, match="AccessDenied"):
        lake.keep_original(path, digest)
    assert bucket.contents() == {}
    s3.fault = None
    with pytest.raises(InputError, match="changed while it was being read"):
        lake.keep_original(path, "00" * 32)
    name = lake.root.split("/")[2]
    assert "Uploads" not in s3.client.list_multipart_uploads(Bucket=name), "and no parts are left to be paid"
    lake.keep_original(path, digest)
    assert len([path for method, path in s3.asked if method == "PUT" and "partNumber=" in path]) >= 6
    with lake.original(digest) as kept:
        assert hashlib.sha256(kept.read_bytes()).hexdigest() == digest
    assert lake.verify() == []


def test_a_dead_writers_upload_is_swept_after_a_day(
    s3: S3Server, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket, prefix = lake.root.removeprefix("s3://").split("/", 1)
    s3.client.create_multipart_upload(Bucket=bucket, Key=f"{prefix}/original/ab/big.csv")
    # moto says that every upload began in 2010
    with monkeypatch.context() as patched:
        patched.setattr(objects, "_STALE_UPLOAD", timedelta(days=36_500))
        assert lake.sweep() == 0, "it may still be at work"
    assert lake.sweep() == 1
    assert lake.sweep() == 0


def test_an_empty_original_is_kept_too(lake: Lake, tmp_path: Path) -> None:
    (tmp_path / "empty.csv").touch()
    digest = file_sha256(tmp_path / "empty.csv")
    lake.keep_original(tmp_path / "empty.csv", digest)
    with lake.original(digest) as kept:
        assert kept.read_bytes() == b""
    assert lake.verify() == []


def test_a_forked_process_has_connections_of_its_own(lake: Lake) -> None:
    """As Luigi's workers are: the connections and the thread of its parent do not go with it."""
    publish(lake, partition(), bars(february(), 24))
    process = started(
        """
        import os, warnings
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of forks beside threads
        assert Lake(sys.argv[1]).read(partition()).num_rows == 24
        child = os.fork()
        if not child:
            os._exit(int(Lake(sys.argv[1]).read(partition()).num_rows != 24))
        assert os.waitpid(child, 0)[1] == 0
        assert publish(Lake(sys.argv[1]), partition(), bars(february(2), 24))
        """,
        lake.root,
    )
    assert outcome(process) == (0, "")


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, "check AWS_ENDPOINT_URL and the network"),
        (
            {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None, "HOME": "/nonexistent"},
            "check the credentials (AWS_ACCESS_KEY_ID",
        ),
    ],
    ids=["no server", "no credentials"],
)
def test_a_store_that_cannot_be_asked_is_named_with_the_way_out(
    lake: Lake, variables: dict[str, str | None], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        if value is None:
            monkeypatch.delenv(name)
        else:
            monkeypatch.setenv(name, value)
    process = started(
        """
        from btcql.errors import LakeError
        try:
            Lake(sys.argv[1]).partitions()
        except LakeError as error:
            print(error)
        """,
        lake.root,
    )
    code, answer = outcome(process)
    assert code == 0, answer
    assert answer.startswith(lake.root)
    assert said in answer


def test_without_the_extra_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    from lake import bucket  # noqa: PLC0415 - its cache is emptied

    monkeypatch.setitem(sys.modules, "s3fs", None)
    bucket._file_system.cache_clear()
    with pytest.raises(LakeError, match=r"pip install 'btcql\[s3\]'"):
        Lake("s3://a-bucket/without-the-extra")
