"""Parquet files of bars, by whomever written: the plain file's columns, the timestamp a time or an epoch."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from btcql.errors import InputError
from etl.sources import stamps
from etl.sources.bars import Block
from etl.sources.layout import COLUMNS, NUMBERS

MAGIC = b"PAR1"

_ROWS = 1 << 16
_INDEX = "__index_level_0__"  # what pandas calls an index that has no name


class ParquetRows:
    """The bars of a Parquet file; InputError, on opening or while reading, for one that is none."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._first: int | None = None
        with self._reading(), pq.ParquetFile(path) as file:
            schema = file.schema_arrow
        self._names = self._found(schema)
        self._of_time = pa.types.is_timestamp(schema.field(self._names["timestamp"]).type)

    def blocks(self) -> Generator[Block, None, None]:
        """Yield the bars in the order of the file; InputError with its row for one that is none."""
        done = 0
        with self._reading(), pq.ParquetFile(self._path) as file:
            for batch in file.iter_batches(_ROWS, columns=list(self._names.values()), use_threads=False):
                columns = {column: batch.column(name) for column, name in self._names.items()}
                for column, values in columns.items():
                    if values.null_count:
                        row = int(np.argmax(values.is_null().to_numpy(zero_copy_only=False)))
                        raise self.refuse(done + row, f"{column} is empty")
                numbers = {name: self._cast(columns[name], name, pa.float64()) for name in NUMBERS}
                yield Block(self._stamps(columns["timestamp"], done), numbers)
                done += batch.num_rows

    def refuse(self, row: int, reason: str) -> InputError:
        """Return the error that names the `row`-th bar (from 0); a Parquet file has no lines."""
        return InputError(str(self._path), f"row {row + 1}: {reason}")

    def notices(self) -> list[str]:
        """Say what was odd about the file's form: of Parquet, nothing is."""
        return []

    def _found(self, schema: pa.Schema) -> dict[str, str]:
        """Find each column by its name in any case, the timestamp also as an index without one."""
        names = {}
        for column in COLUMNS:
            own = [name for name in schema.names if name.lower() == column]
            if not own and column == "timestamp" and _INDEX in schema.names:
                own = [_INDEX] if pa.types.is_timestamp(schema.field(_INDEX).type) else []
            if len(own) != 1:
                shown = ", ".join(schema.names)[:200]
                wrong = (
                    "is there more than once" if own else f"is missing: {', '.join(COLUMNS)} must be there"
                )
                raise InputError(str(self._path), f"column {column} {wrong}; found: {shown}")
            names[column] = own[0]
        for column, name in names.items():
            kind = schema.field(name).type
            number = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
            if not number and not (column == "timestamp" and pa.types.is_timestamp(kind)):
                wanted = "a timestamp or an epoch number" if column == "timestamp" else "a number"
                raise InputError(str(self._path), f"column {name} is of type {kind}: {wanted} is taken")
        return names

    def _stamps(self, column: pa.Array, done: int) -> np.ndarray:
        if self._of_time:  # one without a zone is in UTC
            since = column.cast(pa.timestamp("us", tz=column.type.tz)).cast(pa.int64())
            return np.asarray(since.to_numpy())
        epochs = self._cast(column, "timestamp", pa.int64())
        if self._first is None:
            self._first = int(epochs[0])
        ts, other = stamps.scaled(epochs, self._first)
        if other is not None:
            raise self.refuse(done + other, stamps.wrong_unit(int(epochs[other]), self._first))
        return ts

    def _cast(self, column: pa.Array, name: str, to: pa.DataType) -> np.ndarray:
        try:
            return np.asarray(column.cast(to).to_numpy())
        except pa.ArrowInvalid as error:
            raise InputError(str(self._path), f"column {name} cannot be read as {to}: {error}") from error

    def _reading(self) -> _Reading:
        return _Reading(self._path)


class _Reading:
    """Turns what pyarrow says of a damaged file into InputError."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, pa.ArrowException | OSError):
            raise InputError(
                str(self._path), f"is cut off or damaged Parquet ({error}): download it again"
            ) from error
