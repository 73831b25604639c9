"""The one schema of raw bars, and the check that a table keeps to it."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import UTC, date, datetime
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from btcql.errors import LakeError
from btcql.records import Timeframe
from lake.path import Partition

SCHEMA_VERSION = 1
PRICES = ("open", "high", "low", "close")
BARS: pa.Schema = pa.schema(
    [
        pa.field("ts", pa.timestamp("us", tz="UTC"), nullable=False),
        *(pa.field(name, pa.float64(), nullable=False) for name in (*PRICES, "volume")),
    ]
)

_MICROSECONDS_PER_MINUTE = 60_000_000


def bars_table(microseconds: np.ndarray, columns: dict[str, np.ndarray]) -> pa.Table:
    """Build a table of the schema BARS from int64 microseconds since the epoch and float64 columns."""
    ts = pa.array(microseconds.astype("int64", copy=False), pa.int64()).cast(BARS.field("ts").type)
    return pa.table([ts, *(pa.array(columns[name], pa.float64()) for name in BARS.names[1:])], schema=BARS)


def microseconds(table: pa.Table) -> np.ndarray:
    """Return the column ts as int64 microseconds since the epoch, shape (rows,)."""
    return np.asarray(table["ts"].cast(pa.int64()).to_numpy())


def by_month(table: pa.Table) -> Iterator[tuple[date, pa.Table]]:
    """Cut a sorted table of bars into the months (named by their first day) that it touches."""
    months = microseconds(table).astype("datetime64[us]").astype("datetime64[M]")
    starts = [int(row) for row in np.unique(months, return_index=True)[1]]
    for start, end in pairwise([*starts, len(months)]):
        yield months[start].astype("datetime64[D]").item(), table.slice(start, end - start)


def check_bars(table: pa.Table, partition: Partition) -> None:
    """Raise LakeError, naming the partition, unless `table` holds sound bars of it.

    Sound: the schema BARS, at least one row, strictly ascending ts inside the month that start a bar
    of the timeframe, finite prices above zero that agree with each other, finite volumes of zero or more.
    """

    def refuse(reason: str) -> None:
        raise LakeError(f"{partition}: {reason}")

    if not table.schema.equals(BARS):
        refuse(f"columns {', '.join(map(str, table.schema))} are not those of the lake's bars")
    if table.num_rows == 0 or any(column.null_count for column in table.columns):
        refuse("there are no bars" if table.num_rows == 0 else "a bar has an empty value")
    ts = microseconds(table)
    if (np.diff(ts) <= 0).any():
        refuse("bars are not in strictly ascending order of time")
    if ts[0] < _microseconds(partition.start) or ts[-1] >= _microseconds(partition.end):
        refuse("bars lie outside the month")
    if (ts % (partition.timeframe.minutes * _MICROSECONDS_PER_MINUTE)).any():
        refuse(f"a bar does not start on a whole {partition.timeframe.value}")
    open_, high, low, close, volume = (np.asarray(table[name].to_numpy()) for name in BARS.names[1:])
    bottom, top = np.minimum(open_, close), np.maximum(open_, close)
    # NaN makes every comparison false, so each of these asks for what must hold
    if not ((low > 0) & (low <= bottom) & (top <= high) & np.isfinite(high)).all():
        refuse("a bar's prices are not finite, above zero and in agreement")
    if not ((volume >= 0) & np.isfinite(volume)).all():
        refuse("a bar's volume is not finite and at least zero")


def merged(tables: list[pa.Table]) -> pa.Table:
    """Merge tables of bars, oldest first, into one sorted by ts in which the newest table wins per ts."""
    if len(tables) == 1:
        return tables[0]
    newest_first = pa.concat_tables(tables[::-1])
    _, first = np.unique(microseconds(newest_first), return_index=True)
    return newest_first.take(pa.array(first)).combine_chunks()


def same_bars(one: pa.Table, other: pa.Table) -> bool:
    """Whether every bar of `one` is in `other` with the same values; both sorted by ts, unique."""
    kept = other.filter(pc.is_in(other["ts"], value_set=one["ts"].combine_chunks()))
    return bool(kept.combine_chunks().equals(one.combine_chunks()))


def to_parquet(table: pa.Table) -> bytes:
    """Encode bars as Parquet: the same bars give the same bytes with the same version of pyarrow."""
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()


def from_parquet(content: bytes, name: str) -> pa.Table:
    """Decode bars from Parquet; raises LakeError naming the file when these are not lake bars."""
    try:
        # Not by Arrow's threads, which save milliseconds: one that lets go of `content` while Python ends
        # aborts the process, its work done (apache/arrow#34314).
        table = pq.ParquetFile(pa.BufferReader(content)).read(use_threads=False)
    except (pa.ArrowException, OSError) as error:
        raise LakeError(f"{name} is not a Parquet file: {error}") from error
    if not table.schema.equals(BARS):
        raise LakeError(f"{name} has the columns {', '.join(map(str, table.schema))}, not those of bars")
    return table.combine_chunks()


def span(table: pa.Table, timeframe: Timeframe) -> tuple[datetime, datetime, datetime]:
    """Return the open of the first bar, the open of the last one, and the end of the last one."""
    # not by as_py: that looks for a time zone database, which a bare machine lacks
    ts = microseconds(table)
    first, last = (datetime.fromtimestamp(int(ts[row]) / 1_000_000, UTC) for row in (0, -1))
    return first, last, last + timeframe.length


def _microseconds(instant: datetime) -> int:
    return int(instant.timestamp()) * 1_000_000
