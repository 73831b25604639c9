"""The grammar of the lake's paths."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from btcql.errors import LakeError, SettingError
from btcql.records import Timeframe
from lake.path import Partition, part_name


def test_a_partition_has_a_hive_folder() -> None:
    partition = Partition("file:prices", "BTC-USD", Timeframe.MINUTE, date(2024, 12, 1))
    assert partition.folder == "raw/source=file%3Aprices/symbol=BTC-USD/timeframe=1m/month=2024-12"
    assert str(partition) == partition.folder
    assert (partition.start, partition.end) == (
        datetime(2024, 12, 1, tzinfo=UTC),
        datetime(2025, 1, 1, tzinfo=UTC),
    )


@given(
    source=st.from_regex(r"(file:)?[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True),
    symbol=st.from_regex(r"[A-Z0-9]{1,6}-[A-Z0-9]{1,6}", fullmatch=True),
    timeframe=st.sampled_from(Timeframe),
    month=st.dates(date(2009, 1, 1), date(2100, 1, 1)).map(lambda day: day.replace(day=1)),
)
def test_a_folder_parses_back_to_its_partition(
    source: str, symbol: str, timeframe: Timeframe, month: date
) -> None:
    partition = Partition(source, symbol, timeframe, month)
    assert Partition.parse(partition.folder) == partition


@pytest.mark.parametrize(
    ("folder", "why"),
    [
        ("", "nothing"),
        ("raw", "no levels"),
        ("raw/source=a/symbol=BTC-USD/timeframe=1m", "no month"),
        ("raw/symbol=BTC-USD/source=a/timeframe=1m/month=2024-01", "another order"),
        ("raw/source=a/symbol=BTC-USD/timeframe=5m/month=2024-01", "no such timeframe"),
        ("raw/source=a/symbol=btc/timeframe=1m/month=2024-01", "no such symbol"),
        ("raw/source=../symbol=BTC-USD/timeframe=1m/month=2024-01", "a way out"),
        ("raw/source=a/symbol=BTC-USD/timeframe=1m/month=2024-13", "no such month"),
        ("raw/source=a/symbol=BTC-USD/timeframe=1m/month=2024-1", "spelt otherwise"),
        ("raw/source=%61/symbol=BTC-USD/timeframe=1m/month=2024-01", "encoded without need"),
        ("cooked/source=a/symbol=BTC-USD/timeframe=1m/month=2024-01", "not raw"),
        ("raw/lost+found", "no key"),
    ],
)
def test_other_folders_are_refused(folder: str, why: str) -> None:
    with pytest.raises(LakeError, match="is not a folder of the lake"):
        pytest.fail(f"{why}: {Partition.parse(folder)}")


def test_a_partition_of_no_month_or_no_source_cannot_be() -> None:
    with pytest.raises(ValueError, match="first day"):
        Partition("a", "BTC-USD", Timeframe.DAY, date(2024, 1, 2))
    with pytest.raises(SettingError):
        Partition("a/b", "BTC-USD", Timeframe.DAY, date(2024, 1, 1))


def test_partitions_sort_by_source_symbol_timeframe_and_month() -> None:
    early, late = (Partition("a", "BTC-USD", Timeframe.DAY, date(2024, month, 1)) for month in (1, 2))
    other = Partition("b", "BTC-USD", Timeframe.DAY, date(2023, 1, 1))
    assert sorted([other, late, early]) == [early, late, other]


def test_a_part_is_named_after_its_span_and_content() -> None:
    name = part_name(datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 2, 1, tzinfo=UTC), "0123456789abcdef")
    assert name == "part-20240101T000000Z-20240201T000000Z-0123456789ab.parquet"
