"""Of a series' columns only those are read that a document may select, whatever is made of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from database.pool import Pool
from database.readers.bars import COLUMNS, Bars
from tests.api.serving import Api

plain = pytest.mark.parametrize("edition", ["plain"], indirect=True)
DAYS = 'range: {days: {from: "2023-01-01", to: "2023-12-31"}}'
SELECTED = [
    ("points { start complete filled }", {"close"}),
    ("points { high }", {"close", "high"}),
    ("points { open: volume }", {"close", "open", "volume"}),
    ("points { ... on Candle { low } } columns { observed }", {"close", "low", "observed"}),
    ("points { start open high low close volume observed }", set(COLUMNS)),
]
FILLS = ["fill: NULL", "fill: NONE", "fill: PREVIOUS", "fill: PREVIOUS, maxPoints: 20"]


@plain
@pytest.mark.parametrize(("selection", "columns"), SELECTED)
def test_a_column_is_read_where_it_may_be_selected(
    api: Api, monkeypatch: pytest.MonkeyPatch, selection: str, columns: set[str]
) -> None:
    read: list[set[str]] = []
    run = Pool.run

    async def noting(self: Pool, reader: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        found = await run(self, reader, *args, **kwargs)
        if isinstance(found, Bars):
            read.append(set(found.columns))
        return found

    monkeypatch.setattr(Pool, "run", noting)
    assert api.ask(f"{{ market {{ candles({DAYS}) {{ {selection} }} }} }}")
    assert read == [columns]


@plain
@pytest.mark.parametrize("fill", FILLS)
def test_a_column_is_the_same_whichever_others_are_read(api: Api, fill: str) -> None:
    def points(names: str) -> list[dict[str, Any]]:
        series = f"candles({DAYS}, {fill}) {{ points {{ {names} }} }}"
        found: list[dict[str, Any]] = api.market(series, "GAP-USD")["candles"]["points"]
        return found

    whole = points(" ".join(["start", *COLUMNS, "filled"]))
    assert len(whole) > 1
    for name in COLUMNS:
        assert points(f"{name} start") == [{name: point[name], "start": point["start"]} for point in whole]
