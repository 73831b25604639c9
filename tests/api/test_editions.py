"""The same imports give the same answers on every edition of the database, and after compression."""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import ExitStack
from typing import Any

import pandas as pd
import pytest

from database.connection import connected
from tests.api.markets import load, mixed
from tests.api.serving import Api, serving
from tests.conftest import EDITIONS, fresh_database, given_edition, installation_of
from tests.database.test_timescaledb import compress

_MINUTES = 'range: {instants: {from: "2024-01-02T05:30:00Z", to: "2024-01-07T00:00:00Z"}}'
_HOURS = 'range: {days: {from: "2023-08-20", to: "2024-01-10"}}'
_ALL = "range: {last: ALL}"
_RANGES = {"FIFTEEN_MINUTES": _MINUTES, "HOUR": _HOURS, "DAY": _ALL, "WEEK": _ALL, "MONTH": _ALL}
_CANDLES = """{
  resolved { from to } coverage { expected present missing { from to bars } } warnings { code }
  points { start open high low close volume observed complete }
}"""
_AVERAGES = "{ points { start value close observations status } warnings { code } }"
_MOVEMENT = """{
  open close high { at value } low { at value } change changePercent average volume volatility
  coverage { expected present }
}"""
QUESTIONS = {
    **{
        f"candles {interval}": f"candles({span}, interval: {interval}) {_CANDLES}"
        for interval, span in _RANGES.items()
    },
    **{
        f"{kind} over {window} of {interval}": (
            f"movingAverage({_RANGES[interval]}, interval: {interval}, window: {window}, kind: {kind})"
            f" {_AVERAGES}"
        )
        for kind in ("SIMPLE", "EXPONENTIAL", "WEIGHTED")
        for interval, window in {"FIFTEEN_MINUTES": 20, "HOUR": 24, "DAY": 7, "WEEK": 4}.items()
    },
    "movement of all": f"movement({_ALL}) {_MOVEMENT}",
    "movement of a week": f"movement(range: {{last: WEEK}}) {_MOVEMENT}",
    "movement within days": f"movement({_MINUTES}) {_MOVEMENT}",
    "price": "price { at value }",
    "price of a minute": 'price(at: "2024-01-06T11:17:30Z") { at value }',
}
# Sums of floats, whose last bit depends on the order in which a server adds them up.
SUMS = frozenset({"volume", "average"})


def corrected(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the bars with a daily, an hourly and some minute bars changed, and one of each left out."""
    frame = frame.copy()
    changed = ["2023-02-07", "2023-11-11T11:00", "2024-01-06T11:16", "2024-01-06T11:18"]
    changed_at = [pd.Timestamp(at, tz="UTC") for at in changed]
    frame.loc[changed_at, "close"] = frame.loc[changed_at, "high"]
    frame.loc[changed_at, "volume"] += 0.1
    return frame.drop(index=[pd.Timestamp(at, tz="UTC") for at in ("2023-02-11", "2023-11-12T05:00")])


def answers(api: Api) -> dict[str, Any]:
    return {name: api.market(question) for name, question in QUESTIONS.items()}


def differences(one: Any, other: Any, path: str = "", rounded: Collection[str] = SUMS) -> list[str]:
    """Name where two answers differ: in any bit, but what is `rounded` from 1e-12 of it on."""
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        return [said for key in one for said in differences(one[key], other[key], f"{path}.{key}", rounded)]
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        pairs = enumerate(zip(one, other, strict=True))
        return [said for at, (a, b) in pairs for said in differences(a, b, f"{path}[{at}]", rounded)]
    if isinstance(one, float) and isinstance(other, float) and path.rpartition(".")[2] in rounded:
        return [] if other == pytest.approx(one, rel=1e-12, abs=0) else [f"{path}: {one} and {other}"]
    return [] if type(one) is type(other) and one == other else [f"{path}: {one} and {other}"]


def test_the_editions_and_the_columnstore_give_the_same_answers(start_server: Callable[[str], str]) -> None:
    bars = mixed()
    found: dict[str, dict[str, Any]] = {}
    for edition in EDITIONS:
        if edition != given_edition() and installation_of(edition) is None:
            continue
        with ExitStack() as stack:
            url = stack.enter_context(fresh_database(start_server(edition), edition)).url
            load(url, "BTC-USD", bars, "bitstamp")
            load(url, "BTC-USD", corrected(bars), "bitstamp")
            api = stack.enter_context(serving(url))
            assert api.ask("{ server { edition } }") == {"server": {"edition": edition}}
            found[edition] = answers(api)
            if edition == "community":
                with connected(url, autocommit=True) as connection:
                    compress(connection)
                found["community, compressed"] = answers(api)
    if len(found) == 1:
        pytest.skip(f"only one edition is installed here: {', '.join(found)}")
    assert all(
        question["candles"]["points"] for name, question in found["plain"].items() if "candles" in name
    )
    first, *others = found
    assert {other: differences(found[first], found[other]) for other in others} == {
        other: [] for other in others
    }
