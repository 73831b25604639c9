"""Batches are answered as graphql-core answers their objects, and as text wherever the rules allow it."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import Enum
from typing import Any

import numpy as np
import orjson
import pytest
import strawberry
from graphql import ExecutionResult, Executor, execute_sync, parse, validate
from strawberry.schema.config import StrawberryConfig

from graphql_api import batches
from graphql_api.batches import Batch, BatchExecutor, Column, Shape
from graphql_api.context import typed
from graphql_api.scalars import SCALARS
from tests.api.serving import Api

_MIDNIGHT = 1_700_000_000_000_000


@strawberry.enum
class Mood(Enum):
    GOOD = "good"
    BAD = "bad"


@strawberry.type
class Inner:
    name: str


@strawberry.type
class Row:
    at: datetime
    value: float
    maybe: float | None
    count: int
    flag: bool
    mood: Mood

    @strawberry.field
    def scaled(self, by: float = 2.0) -> float:
        return self.value * by

    @strawberry.field
    def inner(self) -> Inner:
        return Inner(name=f"row {self.count}")


ROW = Shape(
    {
        "at": Column("DateTime"),
        "value": Column("Float"),
        "maybe": Column("Float"),
        "count": Column("Int"),
        "flag": Column("Boolean"),
        "mood": Column("Mood", tuple(Mood)),
    },
    Row,
)


def batch(**changed: Any) -> Batch[Row]:
    values = {
        "at": _MIDNIGHT + np.arange(5) * 86_400_000_001,
        "value": np.array([0.1 + 0.2, 1e22, -0.0, 5e-324, 60_000.01]),
        "maybe": np.array([np.nan, 1.5, np.nan, 100.0, 1e-7]),
        "count": np.array([0, -1, 2**31 - 1, -(2**31), 7]),
        "flag": np.array([True, False, True, True, False]),
        "mood": np.array([1, 0, 1, 1, 0]),
    }
    return Batch(ROW, values | {name: np.array(given) for name, given in changed.items()})


@strawberry.type
class Query:
    batch: strawberry.Private[Batch[Row]]

    @typed(list[Row])
    def rows(self) -> Batch[Row]:
        return self.batch

    @strawberry.field(graphql_type=list[Row | None] | None)  # type: ignore[untyped-decorator]
    def holes(self) -> Batch[Row]:
        return self.batch


SCHEMA = strawberry.Schema(Query, config=StrawberryConfig(scalar_map=SCALARS))._schema
Counted = list[bytes | None]


@pytest.fixture
def rendered(monkeypatch: pytest.MonkeyPatch) -> Counted:
    """What the batches that came by were rendered to; None where they were made into objects."""
    counted: Counted = []
    render = batches.render

    def counting(*args: Any) -> bytes | None:
        counted.append(render(*args))
        return counted[-1]

    monkeypatch.setattr(batches, "render", counting)
    return counted


def run(kind: type[Executor[Any]], query: str, rows: Batch[Row], **variables: Any) -> bytes:
    document = parse(query)
    assert not validate(SCHEMA, document)
    result = execute_sync(SCHEMA, document, Query(batch=rows), variable_values=variables, executor_class=kind)
    assert isinstance(result, ExecutionResult)
    errors = [(error.message, error.path) for error in result.errors or ()]
    return orjson.dumps({"errors": errors, "data": result.data})


def same(query: str, rows: Batch[Row], **variables: Any) -> Any:
    fast = run(BatchExecutor, query, rows, **variables)
    assert fast == run(Executor, query, rows, **variables)
    return orjson.loads(fast)


ALL = "at value maybe count flag mood"
RENDERED = [
    ("every column", f"{{ rows {{ {ALL} }} }}", {}),
    ("one column", "{ rows { maybe } }", {}),
    ("aliases, one column twice", "{ rows { b: value a: value c: at } }", {}),
    ("__typename between", "{ rows { __typename value kind: __typename } }", {}),
    ("__typename alone", "{ rows { __typename } }", {}),
    ("a fragment", "{ rows { count ...F } } fragment F on Row { value count at }", {}),
    (
        "fragments in fragments",
        "{ rows { ...F } } fragment F on Row { ...G flag } fragment G on Row { at }",
        {},
    ),
    ("inline fragments", "{ rows { ... { at } ... on Row { value } ... @include(if: true) { mood } } }", {}),
    ("the same field again", "{ rows { at value at } rows { mood value } }", {}),
    ("two lists", "{ a: rows { at } b: holes { maybe } }", {}),
    ("a list whose items may be null", f"{{ holes {{ {ALL} }} }}", {}),
    *(
        (
            f"skip and include by a variable, {flag}",
            "query ($f: Boolean!) { rows { at @skip(if: $f) value @include(if: $f) count } }",
            {"f": flag},
        )
        for flag in (True, False)
    ),
    (
        "a directive by a variable's default",
        "query ($f: Boolean! = false) { rows { at ...F @include(if: $f) } } fragment F on Row { flag }",
        {},
    ),
    ("nothing left", "{ rows { at @skip(if: true) } }", {}),
]


@pytest.mark.parametrize(("why", "query", "variables"), RENDERED)
def test_a_list_of_columns_is_rendered_as_graphql_core_answers_it(
    rendered: Counted, why: str, query: str, variables: dict[str, Any]
) -> None:
    assert same(query, batch(), **variables)["data"], why
    assert rendered, why
    assert None not in rendered, why


OBJECTS = [
    ("a field with arguments", "{ rows { value scaled(by: 3) } }"),
    ("a field that could have some", "{ rows { scaled } }"),
    ("a nested field", "{ rows { value inner { name } at } }"),
]


@pytest.mark.parametrize(("why", "query"), OBJECTS)
def test_a_list_of_anything_else_is_answered_by_graphql_core(rendered: Counted, why: str, query: str) -> None:
    assert same(query, batch())["errors"] == [], why
    assert rendered == [None], why


FAULTS = [
    ("no number where one must be", batch(value=[1.0, np.nan, 2.0, np.nan, 3.0]), 1),
    ("infinity", batch(value=[1.0, 2.0, np.inf, 2.0, 3.0]), 1),
    ("infinity where null may be", batch(maybe=[1.0, -np.inf, np.nan, np.inf, 3.0]), 2),
    ("an integer too great", batch(count=[1, 2**31, 3, 4, 5]), 1),
    ("an integer too small", batch(count=[1, 2, 3, 4, -(2**31) - 1]), 1),
]


@pytest.mark.parametrize(("why", "rows", "errors"), FAULTS)
def test_a_value_that_cannot_be_answered_is_an_error_at_its_place(
    rendered: Counted, why: str, rows: Batch[Row], errors: int
) -> None:
    answer = same(f"{{ holes {{ {ALL} }} }}", rows)
    assert len(answer["errors"]) >= errors, why
    assert rendered == [None], why


def test_a_year_beyond_the_calendar_is_no_text() -> None:
    rows = batch(at=[2**62] * 5)
    with pytest.raises(OverflowError):
        list(rows)
    result = execute_sync(SCHEMA, parse("{ holes { at } }"), Query(batch=rows), executor_class=BatchExecutor)
    assert result.data == {"holes": None}


def test_a_list_longer_than_a_block_is_rendered_whole(rendered: Counted) -> None:
    for length in (1, 1023, 1024, 1025, 3000):
        values = {name: np.resize(column, length) for name, column in batch().values.items()}
        answer = same(f"{{ rows {{ {ALL} }} }}", Batch(ROW, values))
        assert len(answer["data"]["rows"]) == length
    assert None not in rendered


def test_an_empty_list_is_one(rendered: Counted) -> None:
    empty = Batch(ROW, {name: column[:0] for name, column in batch().values.items()})
    assert same("{ rows { at inner { name } } }", empty)["data"] == {"rows": []}


def test_instants_are_written_as_the_scalar_writes_them() -> None:
    instants = [0, 1, 1_000_000, -1, 999_999, *(year_start(year) for year in (1, 999, 1969, 2024, 9999))]
    repeated = {name: np.resize(column, len(instants)) for name, column in batch().values.items()}
    assert same("{ rows { at } }", batch(**{**repeated, "at": instants}))["errors"] == []


def year_start(year: int) -> int:
    return (datetime(year, 1, 1, tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)).days * 86_400_000_000


@pytest.mark.parametrize("edition", ["plain"], indirect=True)
def test_the_points_of_a_served_api_are_rendered(api: Api, rendered: Counted, edition: str) -> None:
    api.market("candles(range: {last: ALL}) { points { start open close observed complete filled } }")
    api.market("movingAverage(range: {last: ALL}, window: 7) { points { start value status observations } }")
    assert len(rendered) == 2
    assert None not in rendered
