"""Arrow IPC streams and Parquet by pyarrow, which is imported with this module: on the first such export."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from graphql_api.export.tables import Chunk, Kind, Table

_ROW_GROUP = 32_768  # rows: two megabytes of them wait for the group to be full

_TYPES = {
    Kind.INSTANT: pa.timestamp("us", tz="UTC"),
    Kind.DAY: pa.date32(),
    Kind.FLOAT: pa.float64(),
    Kind.INTEGER: pa.int64(),
    Kind.FLAG: pa.bool_(),
    Kind.WORD: pa.string(),
}


class _Outlet:
    """A file to be written to, from which what was written is taken away."""

    closed = False

    def __init__(self) -> None:
        self._written: list[bytes] = []

    def write(self, data: Any) -> int:
        self._written.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""

    def take(self) -> bytes:
        written = b"".join(self._written)
        self._written.clear()
        return written


class Arrow:
    """An Arrow IPC stream, a record batch a chunk."""

    media_type = "application/vnd.apache.arrow.stream"

    def __init__(self, table: Table) -> None:
        self._schema, self._outlet = _schema(table), _Outlet()

    def begin(self) -> bytes:
        """Return the schema."""
        self._writer = pa.ipc.new_stream(pa.PythonFile(self._outlet, mode="w"), self._schema)
        return self._outlet.take()

    def add(self, chunk: Chunk) -> bytes:
        """Return a record batch."""
        self._writer.write_batch(_batch(self._schema, chunk))
        return self._outlet.take()

    def end(self) -> bytes:
        """Return the end of the stream."""
        self._writer.close()
        return self._outlet.take()


class Parquet:
    """A Parquet file, a row group for each 32,768 rows."""

    media_type = "application/vnd.apache.parquet"

    def __init__(self, table: Table) -> None:
        self._schema, self._outlet = _schema(table), _Outlet()
        self._words = [column.name for column in table.columns if column.kind is Kind.WORD]
        self._waiting: list[Any] = []

    def begin(self) -> bytes:
        """Return the first bytes."""
        self._writer = pq.ParquetWriter(
            pa.PythonFile(self._outlet, mode="w"),
            self._schema,
            compression="zstd",
            # of words alone: hardly a price comes twice
            use_dictionary=self._words,
        )
        return self._outlet.take()

    def add(self, chunk: Chunk) -> bytes:
        """Return a row group if one is full, else nothing yet."""
        self._waiting.append(_batch(self._schema, chunk))
        if sum(batch.num_rows for batch in self._waiting) >= _ROW_GROUP:
            self._write()
        return self._outlet.take()

    def end(self) -> bytes:
        """Return the last row group and the footer."""
        self._write()
        self._writer.close()
        return self._outlet.take()

    def _write(self) -> None:
        if self._waiting:
            self._writer.write_table(pa.Table.from_batches(self._waiting, self._schema))
            self._waiting.clear()


def _schema(table: Table) -> Any:
    fields = [pa.field(c.name, _TYPES[c.kind], nullable=c.nullable) for c in table.columns]
    told = {"btcql-warning": "\n".join(table.told)} if table.warnings else None
    return pa.schema(fields, told)


def _batch(schema: Any, chunk: Chunk) -> Any:
    """Return the chunk as a record batch.

    By its buffers: `pa.array` would import pandas, wherever it is installed, to see that it has no need.
    """
    arrays = [_array(array, field) for array, field in zip(chunk, schema, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _array(array: NDArray[Any], field: Any) -> Any:
    validity, buffers = None, [array]
    if field.nullable:
        validity = _bits(~np.isnan(array))
    if pa.types.is_boolean(field.type):
        buffers = [_bits(array)]
    elif pa.types.is_date32(field.type):
        buffers = [array.astype(np.int32)]
    elif pa.types.is_string(field.type):
        words = array.tolist()
        offsets = np.cumsum([0, *map(len, words)], dtype=np.int32)
        buffers = [offsets, np.frombuffer("".join(words).encode("ascii"), np.uint8)]
    contents = [
        None if each is None else pa.py_buffer(np.ascontiguousarray(each)) for each in (validity, *buffers)
    ]
    return pa.Array.from_buffers(field.type, len(array), contents)


def _bits(flags: NDArray[np.bool_]) -> NDArray[np.uint8]:
    return np.packbits(flags, bitorder="little")
