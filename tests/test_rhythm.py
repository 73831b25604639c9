"""The times of the daily refresh are the same wherever they are told."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from btcql import rhythm
from btcql.rhythm import JITTER, OVERDUE, REFRESH, SETTLING, clock

ROOT = Path(__file__).parents[1]
TOLD = re.compile(r"\b0[01]:\d[05]\b(?!:|Z)")
TIMES = {clock(after) for after in (SETTLING, REFRESH, REFRESH + JITTER, OVERDUE)}
PLACES = [
    ROOT / "README.md",
    ROOT / "docs" / "concepts.md",
    ROOT / "docs" / "architecture.md",
    ROOT / "docs" / "operating.md",
    ROOT / "deploy" / "kubernetes" / "base" / "schedule.yaml",
    Path(rhythm.__file__),
    ROOT / "graphql_api" / "lifetime.py",
]


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.name)
def test_no_other_time_of_the_refresh_is_told_than_the_one_it_has(place: Path) -> None:
    assert set(TOLD.findall(place.read_text(encoding="utf-8"))) <= TIMES


def test_the_documents_tell_all_of_them() -> None:
    assert set(TOLD.findall((ROOT / "docs" / "concepts.md").read_text(encoding="utf-8"))) == TIMES
