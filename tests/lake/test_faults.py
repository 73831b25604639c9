"""The lake under faults: killed writers, rivals, no permission, no space."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from btcql.errors import LakeError
from lake.store import Lake
from tests.lake.bars import bars, february, partition, publish
from tests.lake.processes import outcome, started


@pytest.mark.parametrize("call", range(1, 10))
def test_a_kill_at_any_step_of_publishing_leaves_a_lake_that_the_next_run_finishes(
    call: int, tmp_path: Path
) -> None:
    root = str(tmp_path / "lake")
    publish(Lake(root), partition(), bars(february(), 24))
    killed = started(
        """
        import os, signal
        left = int(sys.argv[2])
        def dying(function):
            def call(*arguments, **options):
                global left
                left -= 1
                if left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                return function(*arguments, **options)
            return call
        # the steps that reach the disk, in the order they are taken
        os.fsync, os.rename, os.replace = dying(os.fsync), dying(os.rename), dying(os.replace)
        publish(Lake(sys.argv[1]), partition(), bars(february(2), 24, price=500.0))
        """,
        root,
        str(call),
    )
    code, said = outcome(killed)
    assert code in (-signal.SIGKILL, 0), said
    lake = Lake(root)
    assert lake.verify() == []
    finished = lake.read(partition()).num_rows == 48
    changed = publish(lake, partition(), bars(february(2), 24, price=500.0))
    assert lake.read(partition()).num_rows == 48
    assert changed is not finished
    assert not list(Path(root).rglob("*.tmp")), "the next publish removes what the killed one left"
    assert not publish(lake, partition(), bars(february(2), 24, price=500.0))


def test_the_kill_test_reaches_every_step(tmp_path: Path) -> None:
    """Two files, each fsync + rename + fsync of the folder: six steps, so call 7 is never reached."""
    counting = started(
        """
        import os
        publish(Lake(sys.argv[1]), partition(), bars(february(), 24))
        calls = 0
        def counted(function):
            def call(*arguments, **options):
                global calls
                calls += 1
                return function(*arguments, **options)
            return call
        os.fsync, os.rename, os.replace = counted(os.fsync), counted(os.rename), counted(os.replace)
        publish(Lake(sys.argv[1]), partition(), bars(february(2), 24))
        print(calls)
        """,
        str(tmp_path / "lake"),
    )
    assert outcome(counting) == (0, "6\n")


def test_two_processes_may_publish_to_one_partition_at_once(tmp_path: Path) -> None:
    root = str(tmp_path / "lake")
    rivals = [
        started(
            """
            lake, first = Lake(sys.argv[1]), int(sys.argv[2])
            for day in range(first, 29, 2):
                assert publish(lake, partition(), bars(february(day), 24, price=100.0 * day))
            """,
            root,
            str(first),
        )
        for first in (1, 2)
    ]
    for rival in rivals:
        assert outcome(rival) == (0, "")
    lake = Lake(root)
    manifest = lake.manifest(partition())
    assert manifest is not None
    assert (manifest.version, len(manifest.files)) == (28, 28), "no one's bars were lost"
    assert lake.read(partition()).num_rows == 28 * 24
    assert lake.verify() == []


def test_identical_rivals_add_one_file(tmp_path: Path) -> None:
    root = str(tmp_path / "lake")
    body = "print(publish(Lake(sys.argv[1]), partition(), bars(february(), 24)))"
    said = sorted(outcome(process)[1] for process in [started(body, root) for _ in range(4)])
    assert said == ["False\n", "False\n", "False\n", "True\n"]


def test_publishing_and_reading_leave_no_thread_that_python_s_end_could_meet(tmp_path: Path) -> None:
    process = started(
        """
        from pathlib import Path
        def threads():
            return len(list(Path("/proc/self/task").iterdir()))
        lake = Lake(sys.argv[1])
        before = threads()
        publish(lake, partition(), bars(february(), 24))
        publish(lake, partition(), bars(february(2), 600, price=5.0))
        assert lake.read(partition()).num_rows == 624
        print(threads() - before)
        """,
        str(tmp_path / "lake"),
    )
    assert outcome(process) == (0, "0\n")


def test_a_full_disk_leaves_nothing_half_written(tmp_path: Path) -> None:
    root = str(tmp_path / "lake")
    publish(Lake(root), partition(), bars(february(), 24))
    process = started(
        """
        import resource
        from btcql.errors import LakeError
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
        try:
            publish(Lake(sys.argv[1]), partition(), bars(february(2), 600, price=5.0))
        except LakeError as error:
            print(error)
        """,
        root,
    )
    code, said = outcome(process)
    assert code == 0
    assert "part-" in said
    assert "nothing half-written was left" in said
    assert not list(Path(root).rglob("*.tmp"))
    assert Lake(root).verify() == []
    assert Lake(root).read(partition()).num_rows == 24


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_named_with_the_way_out(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    with pytest.raises(LakeError, match="set BTCQL_LAKE") as refused:
        publish(Lake(str(closed / "lake")), partition(), bars(february(), 24))
    assert str(closed) in str(refused.value)


@pytest.mark.parametrize("where", ["lake", "lake/raw", "lake/.lock", f"lake/{partition().folder}"])
def test_a_file_where_a_folder_must_be_is_named_with_the_way_out(where: str, tmp_path: Path) -> None:
    (tmp_path / where).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / where).write_text("in the way")
    with pytest.raises(LakeError, match="a file stands where a folder must be") as refused:
        publish(Lake(str(tmp_path / "lake")), partition(), bars(february(), 24))
    assert str(tmp_path / "lake") in str(refused.value)
    assert (tmp_path / where).read_text() == "in the way"


def test_a_folder_where_a_file_must_be_is_named(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path / "lake"))
    (tmp_path / "lake" / partition().folder / "manifest.json").mkdir(parents=True)
    with pytest.raises(LakeError, match="a folder stands where a file must be"):
        publish(lake, partition(), bars(february(), 24))
    assert lake.partitions() == []
