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

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
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
from database.columns import Floats

T = TypeVar("T")

_BLOCK = 1024  # rows that are written in one go: what a processor's cache holds
_DIRECTIVES = {"skip", "include"}
# the least and the most that a scalar takes; of instants in epoch microseconds
_BOUNDS = {"Int": (-(2**31), 2**31 - 1), "DateTime": (-62_135_596_800_000_000, 253_402_300_799_999_999)}
_OPTIONS = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NAIVE_UTC | orjson.OPT_UTC_Z


@dataclass(frozen=True)
class Column:
    """What the values of one field are, shape (n,); `scalar` is the name of the field's GraphQL type.

    Float: float64, NaN is null; Int: int64; Boolean: bool; DateTime: epoch microseconds, int64; any other is
    an enum: integers, each the place of a member in `members`.
    """

    scalar: str
    members: tuple[Enum, ...] = ()

    def objects(self, values: NDArray[Any]) -> list[Any]:
        """Return the values as resolvers return them."""
        listed: list[Any] = values.tolist()
        match self.scalar:
            case "Float":
                return [None if value != value else value for value in listed]  # noqa: PLR0124 - NaN
            case "DateTime":
                return [calendar.to_datetime(value) for value in listed]
            case "Int" | "Boolean":
                return listed
        return [self.members[value] for value in listed]


@dataclass(frozen=True, eq=False)
class Shape(Generic[T]):
    """What the objects of a list have: a column for each field, by its GraphQL name.

    `make` takes one value of each, by the same names, and makes the object.
    """

    columns: Mapping[str, Column]
    make: Callable[..., T]


@dataclass(eq=False)
class Batch(Sized, Iterable[T], Generic[T]):
    """A list of flat objects: the values of its columns, all of equal length.

    Columns that are not selected may be missing if `make` does without them.
    """

    shape: Shape[T]
    values: Mapping[str, NDArray[Any]]

    def __len__(self) -> int:
        """Return the number of objects."""
        return len(next(iter(self.values.values())))

    def __iter__(self) -> Iterator[T]:
        """Make the objects."""
        columns = self.shape.columns
        listed = [columns[name].objects(values) for name, values in self.values.items()]
        for values in zip(*listed, strict=True):
            yield self.shape.make(**dict(zip(self.values, values, strict=True)))


class BatchExecutor(Executor[Any]):
    """graphql-core's executor, with its own way for batches."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # by the identity of what is selected, which graphql-core keeps as long as the executor is there
        self._layouts: dict[int, Layout] = {}

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
                layout = self._layouts.get(id(selected))
                if layout is None or layout.shape is not result.shape:
                    layout = self._layouts[id(selected)] = lay_out(result.shape, kind, selected)
                text = render(result, layout)
                if text is not None:
                    return orjson.Fragment(text)
            result = list(result)
        return super().complete_list_value(
            return_type, field_details_list, info, path, result, position_context
        )


class _Written(NamedTuple):
    """A column that is to be written: whether null may be, an enum's members.

    parts: which of all rows' parts are its values.
    """

    name: str
    scalar: str
    nullable: bool
    members: Sequence[bytes]
    parts: slice


class Layout(NamedTuple):
    """How the objects of one selection are written, if they can be.

    row: the parts of an object's text from the end of the one before it, every other one for a column's
    value; head, tail: what stands before its first value, and after its last.
    """

    shape: Shape[Any]
    can_be: bool = False
    head: bytes = b""
    row: Sequence[bytes] = ()
    tail: bytes = b""
    columns: Sequence[_Written] = ()
    floats: Sequence[_Written] = ()  # those of the columns that are
    others: Sequence[_Written] = ()


def lay_out(shape: Shape[Any], item: GraphQLObjectType, selected: GroupedFieldSet) -> Layout:
    """Return how the selected fields of objects of type `item` are written, by the rules 1 to 3."""
    found: list[tuple[str, str, bool, Sequence[bytes]]] = []  # of each column what _Written begins with
    glue = [b"{"]  # what stands before each column's value, and after the last
    for key, details in selected.items():
        if any(at.name.value not in _DIRECTIVES for each in details for at in each.node.directives or ()):
            return Layout(shape)
        glue[-1] += b'"%b":' % key.encode() if glue == [b"{"] else b',"%b":' % key.encode()
        name = details[0].node.name.value
        if name == "__typename":
            glue[-1] += b'"%b"' % item.name.encode()
            continue
        column, field = shape.columns.get(name), item.fields.get(name)
        if column is None or field is None or field.args:
            return Layout(shape)
        nullable = not isinstance(field.type, GraphQLNonNull)
        kind = field.type if nullable else field.type.of_type
        if getattr(kind, "name", None) != column.scalar:
            return Layout(shape)
        members = []
        if isinstance(kind, GraphQLEnumType):
            members = [orjson.dumps(kind.coerce_output_value(member)) for member in column.members]
        found.append((name, column.scalar, nullable, members))
        glue.append(b"")
    head, tail = glue[0], glue[-1] + b"}" if found else b"}"
    row = [part for before in (tail + b"," + head, *glue[1:-1]) for part in (before, b"")]
    columns = [_Written(*each, slice(2 * place + 1, None, len(row))) for place, each in enumerate(found)]
    floats = [column for column in columns if column.scalar == "Float"]
    others = [column for column in columns if column.scalar != "Float"]
    return Layout(
        shape, can_be=True, head=head, row=row, tail=tail, columns=columns, floats=floats, others=others
    )


def render(batch: Batch[Any], layout: Layout) -> bytes | None:
    """Return the batch as JSON; None: the rules do not hold."""
    rows = len(batch)
    if not rows:
        return b"[]"
    if not layout.can_be:
        return None
    if not layout.columns:
        return b"[" + b",".join([layout.head + layout.tail] * rows) + b"]"
    blocks = []
    for first in range(0, rows, _BLOCK):
        block = slice(first, min(first + _BLOCK, rows))
        values = batch.values
        if rows > _BLOCK:
            values = {column.name: values[column.name][block] for column in layout.columns}
        parts = [*layout.row] * (block.stop - first)
        if not _fill(parts, layout, values, block.stop - first):
            return None
        if not first:
            parts[0] = b"[" + layout.head
        blocks.append(b"".join(parts))
    blocks.append(layout.tail + b"]")
    return b"".join(blocks)


def _fill(parts: list[bytes], layout: Layout, values: Mapping[str, NDArray[Any]], count: int) -> bool:
    """Write the values of so many rows to their parts; return whether each can be written (rule 4)."""
    if floats := layout.floats:
        # all at once: for a few rows a call costs more than its work
        text = orjson.dumps(np.concatenate([values[column.name] for column in floats]), option=_OPTIONS)
        # null is what orjson makes of NaN, and of infinity as well; a single byte is found ten times as fast
        if b"n" in text and not all(_can_be_written(each, values[each.name]) for each in floats):
            return False
        texts = text[1:-1].split(b",")
        first = 0
        for column in floats:
            parts[column.parts] = texts[first : first + count]
            first += count
    for column in layout.others:
        written = _texts(column, values[column.name])
        if written is None:
            return False
        parts[column.parts] = written
    return True


def _texts(column: _Written, values: NDArray[Any]) -> list[bytes] | None:
    """Return the values of a column that is not of Floats as JSON; None: one of them cannot be written."""
    if column.members:
        return [column.members[value] for value in values.tolist()]
    if column.scalar in _BOUNDS:
        least, most = _BOUNDS[column.scalar]
        if np.minimum.reduce(values) < least or np.maximum.reduce(values) > most:
            return None
    if column.scalar == "DateTime":
        values = values.view("datetime64[us]")
    return orjson.dumps(np.ascontiguousarray(values), option=_OPTIONS)[1:-1].split(b",")


def _can_be_written(column: _Written, values: Floats) -> bool:
    """Return whether Floats are null only where they may be, and none of them is infinite."""
    return not (np.isinf(values) if column.nullable else ~np.isfinite(values)).any()
