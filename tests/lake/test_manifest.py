"""Manifests and receipts: what is written is read back, anything else is refused by name."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from btcql.errors import LakeError
from btcql.records import Timeframe
from lake.manifest import Manifest, RawFile
from lake.receipt import Receipt
from tests.lake.bars import FETCHED_AT, february, partition

FILE = RawFile("part-a.parquet", "ab" * 32, 24, february(1), february(1, 23), FETCHED_AT, {"file": "é ₿.csv"})
MANIFEST = Manifest(partition(), 1, (FILE,), february(2))
RECEIPT = Receipt(
    "cd" * 32, "BTC-USD", "bitstamp", Timeframe.HOUR, "é ₿.csv", 24, february(2), FETCHED_AT, (partition(),)
)


def test_documents_are_read_back_as_they_were() -> None:
    assert Manifest.from_json(MANIFEST.to_json().encode(), "m") == MANIFEST
    assert Receipt.from_json(RECEIPT.to_json().encode(), "r") == RECEIPT


def test_the_input_digest_is_of_what_readers_can_see() -> None:
    digest = MANIFEST.input_sha256
    other = replace(FILE, sha256="ef" * 32)
    assert replace(MANIFEST, version=7).input_sha256 == digest
    assert (
        replace(MANIFEST, files=(replace(FILE, fetched_at=datetime(2020, 1, 1, tzinfo=UTC)),)).input_sha256
        == digest
    )
    differing = [
        replace(MANIFEST, complete_through=february(3)),
        replace(MANIFEST, files=(FILE, other)),
        replace(MANIFEST, files=(other, FILE)),
        replace(MANIFEST, schema_version=0),
    ]
    assert len({digest, *(manifest.input_sha256 for manifest in differing)}) == 5


Change = Callable[[dict[str, Any]], object]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda m: m.pop("files"), "files is missing"),
        (lambda m: m.update(more=1), "more is not a known field"),
        (lambda m: m.update(version="1"), "version is '1', not of type int"),
        (lambda m: m.update(version=True), "version is True, not of type int"),
        (lambda m: m.update(complete_through="yesterday"), "yesterday"),
        (lambda m: m.update(complete_through="2024-02-02T00:00:00"), "no time zone"),
        (lambda m: m.update(month="2024-02-01"), "2024-02-01"),
        (lambda m: m.update(timeframe="2h"), "2h"),
        (lambda m: m.update(symbol="bitcoin"), "bitcoin"),
        (lambda m: m.update(files=["part-a.parquet"]), "where an object must"),
        (lambda m: m["files"][0].pop("sha256"), "sha256 is missing"),
        (lambda m: m["files"][0].update(size=3), "size is not a known field"),
    ],
)
def test_a_damaged_manifest_is_named_with_what_is_wrong(change: Change, reason: str) -> None:
    content = json.loads(MANIFEST.to_json())
    change(content)
    with pytest.raises(LakeError, match=r"some/manifest\.json is damaged") as refused:
        Manifest.from_json(json.dumps(content).encode(), "some/manifest.json")
    assert reason in str(refused.value)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 100_000])
def test_what_is_no_document_is_refused(content: bytes) -> None:
    for read in (Manifest.from_json, Receipt.from_json):
        with pytest.raises(LakeError, match="x is damaged"):
            read(content, "x")


def test_a_manifest_of_a_newer_schema_asks_for_an_upgrade() -> None:
    content = replace(MANIFEST, schema_version=99).to_json().encode()
    with pytest.raises(LakeError, match="newer btcql"):
        Manifest.from_json(content, "x")
