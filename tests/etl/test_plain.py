"""Plain CSV: what is taken, what is repaired with a notice, and what is refused with its line."""

from __future__ import annotations

import gzip
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from btcql.errors import InputError
from btcql.records import Timeframe
from lake.schema import BARS, microseconds
from tests.etl.reading import read_bars, write

NOW = datetime(2026, 1, 1, tzinfo=UTC)
HEADER = "timestamp,open,high,low,close,volume\n"
ROWS = [
    "2024-01-01T00:00:00Z,10,12,9,11,1.5\n",
    "2024-01-02T00:00:00Z,11,13,10,12,0\n",
    "2024-01-03T00:00:00Z,12,14,11,13,2.25\n",
]
GOOD = HEADER + "".join(ROWS)


def test_a_good_file_gives_its_bars_and_how_far_they_reach(tmp_path: Path) -> None:
    bars = read_bars(write(tmp_path, GOOD), None, NOW)
    assert bars.table.schema.equals(BARS)
    assert bars.timeframe is Timeframe.DAY
    assert bars.complete_through == datetime(2024, 1, 4, tzinfo=UTC)
    assert bars.notices == ()
    assert bars.table["close"].to_pylist() == [11.0, 12.0, 13.0]
    assert microseconds(bars.table)[0] == datetime(2024, 1, 1, tzinfo=UTC).timestamp() * 1e6


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (
            "Volume,CLOSE,note,low,High,open,Timestamp\n1,11,x,9,12,10,2024-01-01T00:00:00Z\n",
            "any order and case",
        ),
        ("timestamp,open,high,low,close,volume\n2024-01-01,10,12,9,11,1\n", "a date only"),
        (HEADER + "2024-01-01 00:00:00,10,12,9,11,1\n", "naive means UTC"),
        (HEADER + "2024-01-01T02:00:00+02:00,10,12,9,11,1\n", "an offset"),
        (HEADER + "1704067200,10,12,9,11,1\n", "epoch seconds"),
        (HEADER + "1704067200.0,10,12,9,11,1\n", "epoch seconds as pandas writes them"),
        (HEADER + "1704067200000,10,12,9,11,1\n", "epoch milliseconds"),
        (HEADER + "1704067200000000,10,12,9,11,1\n", "epoch microseconds"),
        (HEADER + ' 2024-01-01T00:00:00Z , 10 ,"12",9, 11,1\n', "spaces and quotes"),
        (HEADER + "2024-01-01T00:00:00Z,1e1,+12.,9,11,1", "no newline at the end"),
        (HEADER + "2024-01-01T00:00:00Z,10,12,9,11,1\n2024-01-02,10,12,9,11,1\n", "zoned and naive together"),
        (HEADER.replace("\n", "\r") + "2024-01-01T00:00:00Z,10,12,9,11,1\r", "line ends of old Macs"),
    ],
)
def test_spellings_that_mean_the_same_bar(content: str, why: str, tmp_path: Path) -> None:
    bars = read_bars(write(tmp_path, content), Timeframe.DAY, NOW).table.slice(0, 1).to_pylist()[0]
    values = [bars[name] for name in ("open", "high", "low", "close", "volume")]
    assert values == [10.0, 12.0, 9.0, 11.0, 1.0], why
    assert bars["ts"].timestamp() == 1704067200, why


@pytest.mark.parametrize(
    ("content", "notice"),
    [
        (HEADER + ROWS[2] + ROWS[0] + ROWS[1], "not in order"),
        (HEADER + ROWS[0] + ROWS[1] + ROWS[1] + ROWS[2], "repeated rows were dropped: 1"),
        (GOOD + "\n\r\n\n", "blank lines were skipped: 3"),
        (HEADER + ROWS[0] + "\n" + ROWS[1] + "  \n" + ROWS[2], "blank lines were skipped: 2"),
        ("\n" + GOOD, "blank lines were skipped: 1"),
        ("\ufeff" + GOOD, None),
        (GOOD.replace("\n", "\r\n"), None),
        (GOOD + "2025-12-31T00:00:00Z,1,1,1,1,1\n", None),
        (GOOD.replace("2024-01-03", "2026-01-01").replace("T00:00:00Z,12", "T00:00:00Z,12"), "still forming"),
    ],
)
def test_repairs_are_made_and_said(content: str, notice: str | None, tmp_path: Path) -> None:
    bars = read_bars(write(tmp_path, content), Timeframe.DAY, NOW + timedelta(hours=1))
    assert (np.diff(microseconds(bars.table)) > 0).all()
    if notice is None:
        assert bars.notices == ()
    else:
        assert len(bars.notices) == 1
        assert notice in bars.notices[0]
        assert bars.table["close"].to_pylist()[:2] == [11.0, 12.0]


BAD_ROWS = [
    ("2024-01-02T00:00:00Z,abc,13,10,12,0", "open 'abc' is not a number"),
    ("2024-01-02T00:00:00Z,,13,10,12,0", "open is empty"),
    ("2024-01-02T00:00:00Z,11,13,10,12,", "volume is empty"),
    ('2024-01-02T00:00:00Z,"1,100",13,10,12,0', "open '1,100' is not a number"),
    ("2024-01-02T00:00:00Z,1_1,13,10,12,0", "open '1_1' is not a number"),
    ("2024-01-02T00:00:00Z,NaN,13,10,12,0", "not finite"),
    ("2024-01-02T00:00:00Z,11,inf,10,12,0", "not finite"),
    ("2024-01-02T00:00:00Z,11,1e999,10,12,0", "high inf is not finite"),
    ("2024-01-02T00:00:00Z,11,13,10,12,-inf", "not finite"),
    ("2024-01-02T00:00:00Z,0,13,0,12,0", "open 0.0 is not above zero"),
    ("2024-01-02T00:00:00Z,11,13,-10,12,0", "low -10.0 is not above zero"),
    ("2024-01-02T00:00:00Z,11,13,10,12,-1", "volume -1.0 is below zero"),
    ("2024-01-02T00:00:00Z,11,10,13,12,0", "high is below low"),
    ("2024-01-02T00:00:00Z,14,13,10,12,0", "must lie between low and high"),
    ("2024-01-02T00:00:00Z,11,13,10,9,0", "must lie between low and high"),
    ("2024-01-02T00:00:00Z,11,13,10,12", "5 fields, where a row has 6"),
    ("2024-01-02T00:00:00Z,11,13,10,12,0,7", "7 fields, where a row has 6"),
    ("2024-01-01T00:00:00Z,10,12,9,11,1.6", "a second bar of 2024-01-01T00:00:00Z has other values"),
    ("2024-01-02T01:00:00Z,11,13,10,12,0", "does not start a 1d bar in UTC: 1h would fit"),
    ("2024-01-02T01:01:00Z,11,13,10,12,0", "1m would fit"),
    ("2024-01-02T01:01:01Z,11,13,10,12,0", "no timeframe"),
    ("2027-01-02T00:00:00Z,11,13,10,12,0", "2027-01-02T00:00:00Z is in the future"),
    ("2009-01-02T00:00:00Z,11,13,10,12,0", "before 2009-01-03"),
    ("02/01/2024,11,13,10,12,0", "neither ISO 8601"),
    ("2024-02-30,11,13,10,12,0", "neither ISO 8601"),
    ("2024-W01-1,11,13,10,12,0", "neither ISO 8601"),
    (",11,13,10,12,0", "neither ISO 8601"),
    ("1704153600,11,13,10,12,0", "not ISO 8601 as the first row's is"),
]


@pytest.mark.parametrize(("row", "reason"), BAD_ROWS, ids=[row for row, _ in BAD_ROWS])
def test_a_bad_row_is_refused_with_file_line_and_reason(row: str, reason: str, tmp_path: Path) -> None:
    path = write(tmp_path, HEADER + ROWS[0] + "\n" + row + "\n" + ROWS[2])
    with pytest.raises(InputError) as refused:
        read_bars(path, Timeframe.DAY, NOW)
    assert refused.value.line == 4, "the blank line counts"
    assert reason in refused.value.reason
    assert str(path) in str(refused.value)


@pytest.mark.parametrize(
    ("second", "reason"),
    [
        ("1704153600000", "1704153600000 is in milliseconds, the first row's 1704067200 in seconds"),
        ("1704153600000000", "in microseconds"),
        ("1704153600000000000", "no known unit"),
        ("1704153600.5", "not an epoch as the first row's is"),
        ("99999999999999999999", "no known unit"),
    ],
)
def test_one_file_has_one_unit(second: str, reason: str, tmp_path: Path) -> None:
    path = write(tmp_path, f"{HEADER}1704067200,10,12,9,11,1\n{second},10,12,9,11,1\n")
    with pytest.raises(InputError, match="line 3") as refused:
        read_bars(path, Timeframe.DAY, NOW)
    assert reason in refused.value.reason


@pytest.mark.parametrize("stamp", ["0", "-5", "86400", "20240101", "100000000000"])
def test_no_epoch_is_ever_1970(stamp: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"line 2: .* before 2009-01-03"):
        read_bars(write(tmp_path, f"{HEADER}{stamp},10,12,9,11,1\n"), Timeframe.DAY, NOW)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"\n \n\n", "is empty"),
        (b"\xef\xbb\xbf", "is empty"),
        (HEADER.encode(), "has no bars"),
        (HEADER.encode().strip(), "has no bars"),
        (b"time,open,high,low,close,volume\n1,2,3,4,5,6\n", "column timestamp is missing"),
        (b"timestamp,open,high,low,close\n1,2,3,4,5\n", "column volume is missing"),
        (b"timestamp;open;high;low;close;volume\n", "begins with 'timestamp;open"),
        (b"timestamp,open,high,low,close,volume,Open\n1,2,3,4,5,6,7\n", "open is there more than once"),
        (b"\x00\x01\x02junk" * 50, "not text in UTF-8"),
        (b"\x93\x94\xa0,\xff\n1,2\n", "not text in UTF-8"),
        (GOOD.encode("utf-16"), "not text in UTF-8"),
        (GOOD.encode().replace(b"11,13", b"11,\xff3"), "not text in UTF-8"),
        (b"PK\x03\x04" + bytes(range(256)), "damaged zip"),
        (b"<!DOCTYPE html>\n<html><body>Not found</body></html>\n", "is a web page"),
        (b'{"error": "not found"}\n', "of no kind that is known"),
        (
            b"1704067200,10,12,9,11,1\n",
            "begins with '1704067200,10,12,9,11,1'. Taken are CSV with the header",
        ),
        (b"x" * 200_000, "have no end of line"),
        (HEADER.encode() + b"1" * 5_000_000, "a line of more than"),
    ],
)
def test_a_file_that_is_not_bars_is_refused(content: bytes, reason: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as refused:
        read_bars(write(tmp_path, content), Timeframe.DAY, NOW)
    assert reason in refused.value.reason


def test_bytes_that_are_not_utf8_are_found_on_their_line(tmp_path: Path) -> None:
    content = (HEADER + ROWS[0] + ROWS[1] + "?" + ROWS[2]).encode().replace(b"?", b"\xff")
    with pytest.raises(InputError, match="line 4: is not text in UTF-8"):
        read_bars(write(tmp_path, content), Timeframe.DAY, NOW)


def test_gzip_is_known_by_its_content_and_must_be_whole(tmp_path: Path) -> None:
    many = HEADER + "".join(
        f"{1704067200 + 60 * i},10,12,9,{9 + (i * 7919 % 300) / 100},{i}\n" for i in range(20000)
    )
    packed = gzip.compress(many.encode())
    for name in ("whole.csv.gz", "misnamed.csv"):
        assert read_bars(write(tmp_path, packed, name), None, NOW).table.num_rows == 20000
    for cut in (5, len(packed) // 2, len(packed) - 3):
        with pytest.raises(InputError, match="cut off or damaged gzip"):
            read_bars(write(tmp_path, packed[:cut], "cut.csv.gz"), None, NOW)
    flipped = bytearray(packed)
    flipped[len(packed) // 2] ^= 0xFF
    with pytest.raises(InputError):
        read_bars(write(tmp_path, bytes(flipped), "flipped.csv.gz"), None, NOW)
    with pytest.raises(InputError, match="is not gzip, though its name says so"):
        read_bars(write(tmp_path, GOOD, "plain.csv.gz"), None, NOW)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "absent.csv", tmp_path):
        with pytest.raises(InputError, match="cannot be read") as refused:
            read_bars(path, None, NOW)
        assert str(path) in str(refused.value)


@pytest.mark.parametrize(("minutes", "frame"), [(1, "1m"), (60, "1h"), (1440, "1d")])
def test_the_most_common_spacing_tells_the_timeframe(minutes: int, frame: str, tmp_path: Path) -> None:
    stamps = [1704067200 + 60 * minutes * step for step in (0, 1, 2, 5, 6, 20)]
    path = write(tmp_path, HEADER + "".join(f"{stamp},1,1,1,1,1\n" for stamp in stamps))
    assert read_bars(path, None, NOW).timeframe.value == frame


def test_a_timeframe_that_cannot_be_is_refused(tmp_path: Path) -> None:
    every = [f"{1704067200 + 900 * step},1,1,1,1,1\n" for step in range(10)]
    with pytest.raises(InputError, match="15 minutes apart: only bars of 1m, 1h and 1d"):
        read_bars(write(tmp_path, HEADER + "".join(every)), None, NOW)
    with pytest.raises(InputError, match="one bar does not tell its length"):
        read_bars(write(tmp_path, HEADER + ROWS[0]), None, NOW)
    daily = [f"{1704067200 + 86400 * step},1,1,1,1,1\n" for step in range(10)]
    with pytest.raises(InputError, match="these are 1d bars, not 1m"):
        read_bars(write(tmp_path, HEADER + "".join(daily)), Timeframe.MINUTE, NOW)


def test_a_file_of_nothing_but_the_forming_bar_has_no_bars(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no bar that has ended yet"):
        read_bars(write(tmp_path, HEADER + ROWS[0]), Timeframe.DAY, datetime(2024, 1, 1, 5, tzinfo=UTC))


def test_paths_with_spaces_and_unicode_are_read(tmp_path: Path) -> None:
    folder = tmp_path / "my prices é [x] ₿"
    folder.mkdir()
    assert read_bars(write(folder, GOOD, "a b #1.csv"), None, NOW).table.num_rows == 3


decimals = st.integers(1, 10**15 - 1).flatmap(
    lambda digits: st.integers(-15, 3).map(lambda power: f"{digits}e{power}")
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(decimals, min_size=1, max_size=40))
def test_a_decimal_of_fifteen_digits_comes_back_the_same(texts: list[str], tmp_path: Path) -> None:
    rows = [f"{1704067200 + 60 * i},{text},{text},{text},{text},{text}\n" for i, text in enumerate(texts)]
    table = read_bars(write(tmp_path, HEADER + "".join(rows)), Timeframe.MINUTE, NOW).table
    for name in ("open", "volume"):
        back = table[name].to_pylist()
        assert back == [float(text) for text in texts]
        assert [f"{value:.14e}" for value in back] == [f"{float(text):.14e}" for text in texts]
        digits = [f"{value:.15g}" for value in back]
        assert [float(text) for text in digits] == back


def test_half_a_million_minutes_are_read_in_seconds(tmp_path: Path) -> None:
    start = np.datetime64("2024-01-01T00:00", "m")
    rows = [f"{start + i}:00Z,42000.12,42001.5,41999.07,42000.9,{i % 97}.25\n" for i in range(527_040)]
    path = write(tmp_path, HEADER + "".join(rows))
    began = time.process_time()
    bars = read_bars(path, None, NOW)
    assert bars.table.num_rows == 527_040
    assert time.process_time() - began < 10, "of the processor; usually well under one second"
