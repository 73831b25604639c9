"""Zips and gzips: what is taken out of them, and what is refused before it does harm."""

from __future__ import annotations

import gzip
import io
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from btcql.errors import InputError
from tests.etl.files import HOUR, klines, zipped
from tests.etl.reading import read_bars, write

NOW = datetime(2026, 1, 1, tzinfo=UTC)
TEXT = klines(1730419200, 2000)


def with_flag(packed: bytes) -> bytes:
    """Set the bit that says "encrypted", in the member's own header and in the directory."""
    changed = bytearray(packed)
    changed[6] |= 1
    changed[packed.rindex(b"PK\x01\x02") + 8] |= 1
    return bytes(changed)


def flipped(packed: bytes) -> bytes:
    return (
        packed[: len(packed) // 3] + bytes([packed[len(packed) // 3] ^ 0xFF]) + packed[len(packed) // 3 + 1 :]
    )


def nothing() -> bytes:
    packed = io.BytesIO()
    zipfile.ZipFile(packed, "w").close()
    return packed.getvalue()


def test_of_a_zip_its_one_csv_file_is_taken(tmp_path: Path) -> None:
    packed = zipped(TEXT, "folder/BTCUSDT-1h-2024-11.CSV", README_txt="read me", _DS_Store="x")
    for name in ("a.zip", "a.csv", "no ending"):
        assert read_bars(write(tmp_path, packed, name), None, NOW).table.num_rows == 2000


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        (
            "a.zip",
            zipped(TEXT, "a.csv", b_csv=TEXT),
            "holds 2 CSV files (a.csv, b.csv): unpack it and import",
        ),
        ("a.zip", zipped(TEXT, "a.txt"), "holds no CSV file, but a.txt"),
        ("a.zip", nothing(), "holds no CSV file, but nothing"),
        ("a.zip", with_flag(zipped(TEXT)), "prices.csv in it is encrypted: unpack it first"),
        ("a.zip", zipped(TEXT)[:-30], "damaged zip"),
        ("a.zip", zipped(TEXT)[:200], "damaged zip"),
        ("a.zip", flipped(zipped(TEXT)), "damaged zip"),
        ("a.zip", b"", "is empty"),
        ("a.zip", zipped(""), "is empty"),
        ("a.zip", b"<?xml version='1.0'?><Error/>", "is not zip, though its name says so, but a web page"),
        ("a.zip", TEXT.encode(), "is not zip, though its name says so: download"),
        ("a.csv.gz", b"<!DOCTYPE html>", "is not gzip, though its name says so, but a web page"),
        ("a.csv.gz", gzip.compress(b"<html>\n", mtime=0), "is a web page"),
        ("a.csv", b"\n <!DOCTYPE html>\n", "is a web page"),
    ],
)
def test_a_packed_file_that_is_none_is_refused(
    name: str, content: bytes, reason: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError) as refused:
        read_bars(write(tmp_path, content, name), None, NOW)
    assert reason in refused.value.reason
    assert name in refused.value.file


def test_a_row_of_a_zip_is_refused_by_the_line_in_its_file(tmp_path: Path) -> None:
    packed = zipped(TEXT + "1,2,3\n")
    with pytest.raises(InputError, match="line 2001: 3 fields"):
        read_bars(write(tmp_path, packed, "a.zip"), None, NOW)


@pytest.mark.parametrize("pack", [zipped, lambda text: gzip.compress(text.encode(), 6)], ids=["zip", "gzip"])
def test_what_unpacks_beyond_measure_is_refused(pack: object, tmp_path: Path) -> None:
    assert callable(pack)
    bomb = pack(TEXT + "\n" * (70 << 20))
    assert len(bomb) < 1 << 20
    with pytest.raises(InputError, match="unpacks to more than 200 times its size"):
        read_bars(write(tmp_path, bomb), None, NOW)


def test_prices_that_repeat_themselves_are_no_bomb(tmp_path: Path) -> None:
    dull = "timestamp,open,high,low,close,volume\n" + "".join(
        f"{1704067200 + HOUR * i},1,1,1,1,0\n" for i in range(15_000)
    )
    assert read_bars(write(tmp_path, zipped(dull)), None, NOW).table.num_rows == 15_000
