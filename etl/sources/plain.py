"""Plain CSV files: timestamp,open,high,low,close,volume in any order, `.gz` too."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from btcql.errors import InputError
from btcql.records import Timeframe, utc
from etl.sources import series, stamps
from etl.sources.bars import Bars
from etl.sources.text import TextFile, line_of, numbered_rows
from lake.schema import PRICES

NUMBERS = (*PRICES, "volume")
COLUMNS = ("timestamp", *NUMBERS)

_BLOCK = 4 << 20
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


@dataclass(frozen=True, slots=True)
class _Columns:
    """A file's columns in the order of its rows: int64 stamps as written, float64 numbers by name."""

    stamps: np.ndarray
    epoch: bool
    numbers: dict[str, np.ndarray]


def read_bars(path: Path, timeframe: Timeframe | None, now: datetime) -> Bars:
    """Read a whole file of bars; without a timeframe, the most common spacing tells it.

    Repaired with a notice: rows out of order, repeated rows, a bar still forming at `now`, blank lines.
    A byte order mark and Windows line ends are as good as none. Anything else that is odd raises
    InputError with file, reason and line, and nothing is returned.
    """
    with TextFile(path) as file:
        places = _places(path, file)
        columns = _read_fast(file, places)
        if columns is not None:
            notices = _notices(file, len(columns.stamps))
    if columns is None:
        columns = _read_slow(path, places)
        with TextFile(path) as file:
            while file.read(_BLOCK):
                pass  # only its lines are counted
            notices = _notices(file, len(columns.stamps))
    if not len(columns.stamps):
        raise InputError(str(path), "has a header, but no bars below it")

    def refuse(row: int, reason: str) -> InputError:
        return InputError(str(path), reason, line_of(path, row))

    ts = columns.stamps
    if columns.epoch:
        ts, other = stamps.scaled(columns.stamps)
        if other is not None:
            first, odd = int(columns.stamps[0]), int(columns.stamps[other])
            raise refuse(
                other,
                f"timestamp {odd} is in {stamps.unit_name(odd)}, the first row's {first} in "
                f"{stamps.unit_name(first)}: one file has one unit (s, ms or us)",
            )
    try:
        bars = series.finish(ts, columns.numbers, timeframe, utc(now))
    except series.RowError as error:
        raise refuse(error.row, error.reason) from None
    except series.SeriesError as error:
        raise InputError(str(path), str(error)) from None
    return Bars(bars.table, bars.timeframe, bars.complete_through, (*notices, *bars.notices))


def _places(path: Path, file: TextFile) -> dict[str, int]:
    """Find each column in the header, by name."""
    names = [name.lower() for name in file.header]
    missing = [column for column in COLUMNS if column not in names]
    if missing:
        found = ", ".join(file.header)
        raise InputError(
            str(path),
            f"column {missing[0]} is missing: the header must name {', '.join(COLUMNS)}; "
            f"found: {found[:200]}",
            file.header_lines,
        )
    twice = [column for column in COLUMNS if names.count(column) > 1]
    if twice:
        raise InputError(str(path), f"column {twice[0]} is there more than once", file.header_lines)
    return {column: names.index(column) for column in COLUMNS}


def _read_fast(file: TextFile, places: dict[str, int]) -> _Columns | None:
    """Read the columns block by block; None when something in them needs the slow way's closer look."""
    names = [f"c{place}" for place in range(len(file.header))]
    wanted = [f"c{places[column]}" for column in COLUMNS]
    try:
        blocks = csv.open_csv(
            file,
            read_options=csv.ReadOptions(column_names=names, block_size=_BLOCK),
            convert_options=csv.ConvertOptions(
                include_columns=wanted,
                column_types=dict.fromkeys(wanted, pa.string()),
                strings_can_be_null=False,
            ),
        )
        epoch: bool | None = None
        parts: list[list[np.ndarray]] = [[] for _ in COLUMNS]
        for block in blocks:
            if not block.num_rows:
                continue
            texts = [pc.ascii_trim_whitespace(column) for column in block.columns]
            epoch = stamps.is_epoch(texts[0][0].as_py()) if epoch is None else epoch
            arrays = [stamps.parse_fast(texts[0], epoch=epoch), *(t.cast(pa.float64()) for t in texts[1:])]
            for part, array in zip(parts, arrays, strict=True):
                part.append(array.to_numpy())
    except pa.ArrowInvalid:
        return None
    if epoch is None:
        return _Columns(np.empty(0, dtype=np.int64), False, {})
    whole = []
    for part in parts:  # one column after the other, so that blocks and columns are never all held twice
        whole.append(np.concatenate(part))
        part.clear()
    return _Columns(whole[0], epoch, dict(zip(NUMBERS, whole[1:], strict=True)))


def _read_slow(path: Path, places: dict[str, int]) -> _Columns:
    """Read the columns row by row; raises InputError at the first row that cannot be read."""
    epoch: bool | None = None
    times: list[int] = []
    numbers: dict[str, list[float]] = {name: [] for name in NUMBERS}
    with TextFile(path) as file:
        width = len(file.header)
    for line, row in numbered_rows(path):
        if len(row) != width:
            raise InputError(str(path), f"{len(row)} fields, where the header has {width}", line)
        stamp = row[places["timestamp"]].strip()
        epoch = stamps.is_epoch(stamp) if epoch is None else epoch
        try:
            stamp.encode()  # fails on what was not UTF-8
            times.append(stamps.parse_slow(stamp, epoch=epoch))
            for name in NUMBERS:
                numbers[name].append(_number(name, row[places[name]].strip()))
        except UnicodeEncodeError:
            raise InputError(str(path), "is not text in UTF-8: save it as CSV in UTF-8", line) from None
        except ValueError as error:
            raise InputError(str(path), str(error), line) from None
    columns = {name: np.array(column, dtype=np.float64) for name, column in numbers.items()}
    return _Columns(np.array(times, dtype=np.int64), bool(epoch), columns)


def _number(name: str, text: str) -> float:
    text.encode()  # fails on what was not UTF-8
    if not text:
        raise ValueError(f"{name} is empty")
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"{name} {text!r} is not a number")
    return float(text)


def _notices(file: TextFile, rows: int) -> list[str]:
    """Say what was odd about the file's form and did no harm."""
    blank = file.lines - rows + file.header_lines - 1
    return [f"blank lines were skipped: {blank}"] if blank > 0 else []
