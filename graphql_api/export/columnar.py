"""Arrow IPC streams and Parquet by pyarrow, which is imported with this module: on the first such export."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from graphql_api.export.tables import Chunk, Column, Kind

_ROW_GROUP = 65_536  # rows: five megabytes of them wait for the group to be full

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

    def __init__(self, columns: Sequence[Column]) -> None:
        self._schema, self._outlet = _schema(columns), _Outlet()

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
    """A Parquet file, a row group for each 65,536 rows."""

    media_type = "application/vnd.apache.parquet"

    def __init__(self, columns: Sequence[Column]) -> None:
        self._schema, self._outlet = _schema(columns), _Outlet()
        self._waiting: list[Any] = []

    def begin(self) -> bytes:
        """Return the first bytes."""
        self._writer = pq.ParquetWriter(
            pa.PythonFile(self._outlet, mode="w"), self._schema, compression="zstd"
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


def _schema(columns: Sequence[Column]) -> Any:
    return pa.schema([pa.field(c.name, _TYPES[c.kind], nullable=c.nullable) for c in columns])


def _batch(schema: Any, chunk: Chunk) -> Any:
    arrays = [_array(array, field) for array, field in zip(chunk, schema, strict=True)]
    return pa.record_batch(arrays, schema=schema)


def _array(array: NDArray[Any], field: Any) -> Any:
    if field.type == pa.date32():
        array = array.astype("datetime64[D]")
    elif pa.types.is_timestamp(field.type):
        array = array.astype("datetime64[us]")
    elif field.type == pa.string():
        return pa.array(array.tolist(), field.type)
    # a NaN is a null where there may be one
    return pa.array(array, field.type, from_pandas=field.nullable)
