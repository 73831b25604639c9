"""The served schema and its fast executor against strawberry's and graphql-core's own ways, and pandas."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import orjson
import pandas as pd
import pytest
import strawberry
from graphql import ExecutionResult, GraphQLObjectType, GraphQLSchema, execute
from graphql import Executor as GraphQLExecutor
from graphql.pyutils import AwaitableOrValue
from strawberry.schema.config import StrawberryConfig

from btcql import calendar
from database.address import with_role
from database.pool import Pool
from database.roles import READER
from graphql_api import batches
from graphql_api.context import Context
from graphql_api.executor import Executor, Operation
from graphql_api.scalars import SCALARS
from graphql_api.schema import Query, schema
from tests.api.markets import NOW, resampled
from tests.api.questions import Grammar
from tests.api.serving import Api

plain = pytest.mark.parametrize("edition", ["plain"], indirect=True)
QUESTIONS = 500


def own_schema() -> GraphQLSchema:
    """Return the schema as strawberry makes it."""
    return strawberry.Schema(query=Query, config=StrawberryConfig(scalar_map=SCALARS))._schema


class OwnExecutor(Executor):
    """The executor, but that graphql-core's own executes."""

    def start(
        self, operation: Operation, variables: Mapping[str, Any], context: Context
    ) -> AwaitableOrValue[ExecutionResult]:
        return execute(
            self.schema, operation.document, None, context, dict(variables), executor_class=GraphQLExecutor
        )


class Remembering(Pool):
    """A pool that asks the database once for the same, so that both ways are given the same rows."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._found: dict[Any, Any] = {}

    async def run(self, reader: Any, /, *args: Any, **kwargs: Any) -> Any:
        key = (reader, args, tuple(kwargs.items()))
        if key not in self._found:
            self._found[key] = await super().run(reader, *args, **kwargs)
        return self._found[key]


def test_every_field_of_a_market_is_resolved_directly() -> None:
    kinds = schema._schema.type_map
    for kind in (kinds["Query"], kinds["Market"], kinds["CandleSeries"], kinds["Movement"]):
        assert isinstance(kind, GraphQLObjectType)
        resolvers = {field.resolve.__module__ for field in kind.fields.values() if field.resolve}
        assert resolvers == {"graphql_api.directness"}


@plain
def test_500_random_questions_are_answered_as_graphql_core_answers_them(
    markets_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: Counter[str] = Counter()
    render = batches.render

    def counting(*args: Any) -> bytes | None:
        text = render(*args)
        seen["objects" if text is None else "rendered"] += 1
        return text

    monkeypatch.setattr(batches, "render", counting)

    async def compare() -> None:
        pool = Remembering(with_role(markets_url, READER))
        await pool.open()
        fast, own = Executor(schema._schema), OwnExecutor(own_schema())
        grammar = Grammar(20260101)
        context = Context(pool, calendar.microseconds(NOW))
        for _ in range(QUESTIONS):
            question = grammar.question()
            operation = fast.prepare(question.text, None)
            expected = await own.execute(operation, question.variables, context)
            selective = replace(context, words=operation.words)  # reads no more than what is selected
            for _planned in (False, True):
                found = await fast.execute(operation, question.variables, selective)
                assert orjson.dumps(found.data) == orjson.dumps(expected.data), question
                # of several fields that fail, the first, which is a matter of time, ends the others
                if question.fields == 1 or not (found.errors and expected.errors):
                    assert found.errors == expected.errors, question
            seen.update(found.codes or ["answered"])
        await pool.close()

    asyncio.run(compare())
    assert "INTERNAL" not in seen
    assert seen["answered"] > QUESTIONS / 2
    assert seen["RANGE_INVALID"] > 0
    assert seen["rendered"] > QUESTIONS / 2
    assert seen["objects"] == 0


AGAIN = """
query ($days: Int!, $window: Int = 2, $closes: Boolean = true, $symbol: String) {
  market(symbol: $symbol) {
    movingAverage(range: {lastDays: $days}, window: $window) {
      resolved { from to }
      points { value close @include(if: $closes) }
    }
  }
}
"""
PLAIN_AGAIN = AGAIN.replace("@include(if: $closes)", "").replace(", $closes: Boolean = true", "")


@plain
@pytest.mark.parametrize("text", [AGAIN, PLAIN_AGAIN])
def test_an_operation_that_is_asked_again_is_answered_by_its_own_variables(
    markets_url: str, text: str
) -> None:
    asked: list[dict[str, Any]] = [
        {"days": 3, "symbol": "DAY-USD"},
        {"days": 4, "symbol": "DAY-USD", "window": 3},
        {"days": 3, "symbol": "GAP-USD", "window": 1},
        {"days": 3, "symbol": "NONE-USD"},
        {"days": "three", "symbol": "DAY-USD"},
        {"symbol": "DAY-USD"},
    ]
    if text is AGAIN:
        asked += [variables | {"closes": False} for variables in asked]

    async def compare() -> None:
        pool = Remembering(with_role(markets_url, READER))
        await pool.open()
        fast, own = Executor(schema._schema), OwnExecutor(own_schema())
        context = Context(pool, calendar.microseconds(NOW))
        operation = fast.prepare(text, None)
        expected = [(await own.execute(operation, variables, context)).body() for variables in asked]
        for variables, answer in [*zip(asked, expected, strict=True)] * 2:
            found = (await fast.execute(operation, variables, context)).body()
            assert orjson.dumps(found) == orjson.dumps(answer), variables
        await pool.close()
        assert [("errors" in answer) for answer in expected[:6]] == [False] * 3 + [True] * 3

    asyncio.run(compare())


RULES = {"FIFTEEN_MINUTES": ("15min", 1), "HOUR": ("1h", 60), "FOUR_HOURS": ("4h", 60), "DAY": ("1D", 1440)}


@plain
def test_random_series_are_what_pandas_computes_from_the_raw_bars(api: Api, bars: pd.DataFrame) -> None:
    random = np.random.default_rng(20260101)
    for _ in range(40):
        interval = str(random.choice(list(RULES)))
        rule, finest = RULES[interval]
        known = resampled(bars[bars["minutes"] <= finest], rule).asfreq(rule)[:-1]
        first = int(random.integers(len(known)))
        shown = known.iloc[first : first + int(random.integers(1, 200))]
        window = int(random.integers(1, 30))
        end = shown.index[-1] + pd.Timedelta(rule)
        bounds = f'from: "{shown.index[0].isoformat()}", to: "{end.isoformat()}"'
        asked = f"range: {{instants: {{{bounds}}}}}, interval: {interval}"
        found = api.market(
            f"candles({asked}) {{ points {{ start open high low close volume }} }} "
            f"movingAverage({asked}, window: {window}) {{ points {{ value }} }}"
        )
        points = pd.DataFrame(found["candles"]["points"])
        assert (pd.to_datetime(points["start"]) == shown.index).all()
        for name in ("open", "high", "low", "close"):
            assert points[name].astype(float).tolist() == pytest.approx(
                shown[name].tolist(), rel=0, nan_ok=True
            )
        volume = points["volume"].astype(float).tolist()
        assert volume == pytest.approx(shown["volume"].tolist(), rel=1e-12, nan_ok=True)
        averages = [np.nan if p["value"] is None else p["value"] for p in found["movingAverage"]["points"]]
        rolling = known["close"].rolling(window).mean()[shown.index]
        assert averages == pytest.approx(rolling.tolist(), rel=1e-9, nan_ok=True)
