"""What is asked before and after: questions of fixed times, which every version understands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.api.test_editions import SUMS, differences
from tests.upgrade.files import AS_OF

_CANDLES = """{
  coverage { expected present missing { from to bars } }
  points { start open high low close volume observed complete }
}"""
_AVERAGES = "{ points { start value close observations status } }"
_MOVEMENT = """{
  open close high { at value } low { at value } change changePercent average volume volatility
  coverage { expected present }
}"""
_FORECAST = """{
  basedOn issuedAt retrospective lastClose
  model { name version trainedFrom trainedThrough dataHash }
  points { day horizon price quantiles { probability price } interval(level: 80) { lower upper } }
}"""
_YEAR = 'range: {days: {from: "2023-01-01", to: "2023-12-31"}}'
_SPRING = 'range: {days: {from: "2023-03-01", to: "2023-04-10"}}'
_HOURS = 'range: {days: {from: "2024-01-01", to: "2024-01-04"}}'
_MINUTES = 'range: {instants: {from: "2024-01-04T00:30:00Z", to: "2024-01-04T02:00:00Z"}}'
_TURN = 'range: {instants: {from: "2024-01-31T23:00:00Z", to: "2024-02-01T01:00:00Z"}}'
QUESTIONS = {
    "the market": ("BTC-USD", "symbol base quote sources synthetic freshness { firstBar dataThrough }"),
    "days": ("BTC-USD", f"candles({_SPRING}) {_CANDLES}"),
    "weeks": ("BTC-USD", f"candles({_YEAR}, interval: WEEK) {_CANDLES}"),
    "hours": ("BTC-USD", f"candles({_HOURS}, interval: HOUR) {_CANDLES}"),
    "minutes": ("BTC-USD", f"candles({_MINUTES}, interval: FIFTEEN_MINUTES) {_CANDLES}"),
    "a simple average": ("BTC-USD", f"movingAverage({_SPRING}, window: 7) {_AVERAGES}"),
    "an average of weeks": ("BTC-USD", f"movingAverage({_YEAR}, interval: WEEK, window: 4) {_AVERAGES}"),
    "a weighted average": ("BTC-USD", f"movingAverage({_SPRING}, window: 5, kind: WEIGHTED) {_AVERAGES}"),
    "the movement of a year": ("BTC-USD", f"movement({_YEAR}) {_MOVEMENT}"),
    "the movement within a day": ("BTC-USD", f"movement({_MINUTES}) {_MOVEMENT}"),
    "the price of a minute": ("BTC-USD", 'price(at: "2024-01-04T01:03:30Z") { at value }'),
    "the forecast": ("BTC-USD", f"forecast {_FORECAST}"),
    "the forecast of before": ("BTC-USD", f'forecast(asOf: "{AS_OF}") {_FORECAST}'),
    "prices of eight decimals": ("TINY-BTC", f"candles({_TURN}, interval: FIVE_MINUTES) {_CANDLES}"),
    "the movement over a month's turn": ("TINY-BTC", f"movement({_TURN}) {_MOVEMENT}"),
}


def answers(ask: Callable[[str], Any]) -> dict[str, Any]:
    """Return the answer of each question; `ask` takes a document and returns its data, or raises."""
    return {
        name: ask(f'{{ market(symbol: "{symbol}") {{ {selection} }} }}')["market"]
        for name, (symbol, selection) in QUESTIONS.items()
    }


def differing(before: dict[str, Any], after: dict[str, Any]) -> dict[str, list[str]]:
    """Return the questions that are answered otherwise, each with where; sums from 1e-12 of them on.

    So is what is made of logarithms: in their last bit numpy's are those of the processor, with or without
    AVX-512, and the answers of before are of another machine.
    """
    assert before.keys() == after.keys() == QUESTIONS.keys()
    rounded = SUMS | {"volatility"}
    compared = {name: differences(before[name], after[name], rounded=rounded) for name in QUESTIONS}
    return {name: found for name, found in compared.items() if found}
