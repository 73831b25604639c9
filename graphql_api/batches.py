"""Lists that stay columns: a series' points go from numpy to JSON without an object, or a call, per field.

A resolver answers a list field with a `Batch`. `BatchExecutor` is graphql-core's executor but for one method:
a batch becomes its JSON text at once, from the columns of the selected fields, when all of these hold:

1  every selected field is a column of the batch or `__typename` (so it has no selection and no resolver),
2  it takes no arguments, and carries no directive but `@skip` and `@include`,
3  the column is of the field's own scalar or enum,
4  each of its values can be written: no infinity, no NaN but as null where null is allowed, Ints of 32 bits,
   instants of the years 1 to 9999.

In every other case the batch is made into its objects, and graphql-core does with them what it always does:
so errors, nulls that propagate, and fields with resolvers are its business alone. Which fields are selected,
and under which names, is graphql-core's answer in both cases (aliases, fragments, variables in directives).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from dataclasses import dataclass
from enum import Enum
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
import orjson
from graphql import (
    Executor,
    GraphQLEnumType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLResolveInfo,
    is_object_type,
)
from graphql.execution.collect_fields import FieldDetailsList, GroupedFieldSet
from graphql.pyutils import AwaitableOrValue, Path
from numpy.typing import NDArray

from btcql import calendar

T = TypeVar("T")

_BLOCK = 1024  # rows that are written in one go: what a processor's cache holds
_DIRECTIVES = {"skip", "include"}
# the least and the most that a scalar takes; of instants in epoch microseconds
_BOUNDS = {"Int": (-(2**31), 2**31 - 1), "DateTime": (-62_135_596_800_000_000, 253_402_300_799_999_999)}
_OPTIONS = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NAIVE_UTC | orjson.OPT_UTC_Z


@dataclass(frozen=True)
class Column:
    """The values of one field, shape (n,); `scalar` is the name of the field's GraphQL type.

    Float: float64, NaN is null; Int: int64; Boolean: bool; DateTime: epoch microseconds, int64; any other is
    an enum: integers, each the place of a member in `members`.
    """

    scalar: str
    values: NDArray[Any]
    members: tuple[Enum, ...] = ()

    def objects(self) -> list[Any]:
        """Return the values as resolvers return them."""
        values: list[Any] = self.values.tolist()
        match self.scalar:
            case "Float":
                return [None if value != value else value for value in values]  # noqa: PLR0124 - NaN
            case "DateTime":
                return [calendar.to_datetime(value) for value in values]
            case "Int" | "Boolean":
                return values
        return [self.members[value] for value in values]

    def texts(self, kind: GraphQLOutputType, first: int, stop: int, *, nullable: bool) -> list[bytes] | None:
        """Return the values first, ..., stop - 1 as JSON; None: one of them cannot be written (rule 4)."""
        values = self.values[first:stop]
        if isinstance(kind, GraphQLEnumType):
            names = [orjson.dumps(kind.coerce_output_value(member)) for member in self.members]
            return [names[value] for value in values.tolist()]
        if self.scalar in _BOUNDS:
            least, most = _BOUNDS[self.scalar]
            if values.min() < least or values.max() > most:
                return None
        if self.scalar == "DateTime":
            values = values.view("datetime64[us]")
        text = orjson.dumps(np.ascontiguousarray(values), option=_OPTIONS)
        # null is what orjson makes of NaN, and of infinity as well
        if b"null" in text and not (nullable and not np.isinf(values).any()):
            return None
        return text[1:-1].split(b",")


@dataclass(frozen=True)
class Batch(Sized, Iterable[T], Generic[T]):
    """A list of flat objects: a column of equal length for each field, by its GraphQL name.

    `make` takes one value of each, by the same names, and makes the object.
    """

    columns: Mapping[str, Column]
    make: Callable[..., T]

    def __len__(self) -> int:
        """Return the number of objects."""
        return len(next(iter(self.columns.values())).values)

    def __iter__(self) -> Iterator[T]:
        """Make the objects."""
        for values in zip(*(column.objects() for column in self.columns.values()), strict=True):
            yield self.make(**dict(zip(self.columns, values, strict=True)))


class BatchExecutor(Executor[Any]):
    """graphql-core's executor, with its own way for batches."""

    def complete_list_value(
        self,
        return_type: GraphQLList[GraphQLOutputType],
        field_details_list: FieldDetailsList,
        info: GraphQLResolveInfo[Any],
        path: Path,
        result: Any,
        position_context: Any,
    ) -> AwaitableOrValue[Any]:
        """Return a batch as a fragment of JSON if its rules hold, else what graphql-core returns."""
        if isinstance(result, Batch):
            item = return_type.of_type
            kind = item.of_type if isinstance(item, GraphQLNonNull) else item
            if is_object_type(kind) and not kind.is_type_of:
                selected = self.collect_subfields(kind, field_details_list).grouped_field_set
                text = render(result, kind, selected)
                if text is not None:
                    return orjson.Fragment(text)
            result = list(result)
        return super().complete_list_value(
            return_type, field_details_list, info, path, result, position_context
        )


def render(batch: Batch[Any], item: GraphQLObjectType, selected: GroupedFieldSet) -> bytes | None:
    """Return the batch as JSON, with the selected fields of its items' type; None: the rules do not hold."""
    if not len(batch):
        return b"[]"
    columns: list[_Written] = []
    glue = [b"{"]  # what stands before each column's value, and after the last
    for key, details in selected.items():
        if any(at.name.value not in _DIRECTIVES for each in details for at in each.node.directives or ()):
            return None
        glue[-1] += b'"%b":' % key.encode() if glue == [b"{"] else b',"%b":' % key.encode()
        name = details[0].node.name.value
        if name == "__typename":
            glue[-1] += b'"%b"' % item.name.encode()
            continue
        column, field = batch.columns.get(name), item.fields.get(name)
        if column is None or field is None or field.args:
            return None
        nullable = not isinstance(field.type, GraphQLNonNull)
        kind = field.type if nullable else field.type.of_type
        if getattr(kind, "name", None) != column.scalar:
            return None
        columns.append(_Written(column, kind, nullable))
        glue.append(b"")
    glue[-1] += b"}"
    return _interleave(columns, glue, len(batch))


class _Written(NamedTuple):
    """A column that is to be written, as values of which type."""

    column: Column
    kind: GraphQLOutputType
    nullable: bool


def _interleave(columns: list[_Written], glue: list[bytes], rows: int) -> bytes | None:
    """Return the rows' JSON: the columns' values with the glue before, between and after them.

    None: one of the values cannot be written.
    """
    if not columns:
        return b"[" + b",".join(glue * rows) + b"]"
    between = [glue[-1] + b"," + glue[0], *glue[1:-1]]
    blocks = []
    for first in range(0, rows, _BLOCK):
        stop = min(first + _BLOCK, rows)
        parts = [b""] * (2 * len(columns) * (stop - first))
        for place, (column, kind, nullable) in enumerate(columns):
            texts = column.texts(kind, first, stop, nullable=nullable)
            if texts is None:
                return None
            parts[2 * place :: 2 * len(columns)] = [between[place]] * (stop - first)
            parts[2 * place + 1 :: 2 * len(columns)] = texts
        if not first:
            parts[0] = b"[" + glue[0]
        blocks.append(b"".join(parts))
    blocks.append(glue[-1] + b"]")
    return b"".join(blocks)
