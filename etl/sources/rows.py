"""The rows of a text file in blocks, by its layout: fast, and slowly where a row needs a closer look."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from btcql.errors import InputError
from etl.sources import stamps
from etl.sources.bars import Block
from etl.sources.layout import COLUMNS, NUMBERS, Layout
from etl.sources.symbols import market
from etl.sources.text import TextFile, numbered_rows

_BLOCK = 4 << 20
_SLOW_ROWS = 50_000
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_EMPTY = frozenset({"", "nan"})


class TextRows:
    """The bars of a text file; `notices` are whole once the blocks have ended."""

    def __init__(self, path: Path, layout: Layout) -> None:
        self._path, self._layout = path, layout
        self._epoch: bool | None = None
        self._first: int | None = None
        self._market: str | None = None
        self._seen = self._kept = self._lines = 0

    def blocks(self) -> Generator[Block, None, None]:
        """Yield the bars in the order of the file; InputError with its line for a row that is none."""
        fast = self._fast()
        while True:
            try:
                columns = next(fast, None)
            except pa.ArrowInvalid:
                break
            if columns is None:
                return
            yield self._block(*columns)
        for columns in self._slow():
            yield self._block(*columns)

    def refuse(self, row: int, reason: str) -> InputError:
        """Return the error that names the line of the `row`-th bar (from 0)."""
        with TextFile(self._path, self._layout.skipped) as file:
            rows = (
                line for line, fields in numbered_rows(file, self._layout.skipped) if not self._void(fields)
            )
            return InputError(str(self._path), reason, next(islice(rows, row, None)))

    def notices(self) -> list[str]:
        """Say what was odd about the file's form and did no harm."""
        blank = self._lines + self._layout.skipped - self._layout.titles - self._seen
        said = [f"blank lines were skipped: {blank}"] if blank > 0 else []
        if self._seen > self._kept:
            said.append(f"empty rows, of times without trades, were left out: {self._seen - self._kept}")
        return said

    def _block(self, written: np.ndarray, numbers: dict[str, np.ndarray]) -> Block:
        """Leave out empty rows, and read the stamps as what they are."""
        self._seen += len(written)
        if self._layout.empty_rows:
            full = ~np.logical_and.reduce([np.isnan(column) for column in numbers.values()])
            if not full.all():
                written = written[full]
                numbers = {name: column[full] for name, column in numbers.items()}
        ts, other = written, None
        if self._epoch and len(written):
            if self._layout.one_unit and self._first is None:
                self._first = int(written[0])
            ts, other = stamps.scaled(written, self._first)
        if other is not None:
            raise self.refuse(self._kept + other, stamps.wrong_unit(int(written[other]), self._first))
        self._kept += len(written)
        return Block(ts, numbers)

    def _fast(self) -> Iterator[tuple[np.ndarray, dict[str, np.ndarray]]]:
        """Yield stamps as written and numbers; ArrowInvalid when something needs the slow way's look."""
        names = [f"c{place}" for place in range(self._layout.width)]
        wanted = [f"c{self._layout.places[column]}" for column in COLUMNS]
        if self._layout.market is not None:
            wanted.append(f"c{self._layout.market}")
        with (
            TextFile(self._path, self._layout.skipped) as file,
            csv.open_csv(
                file,
                read_options=csv.ReadOptions(column_names=names, block_size=_BLOCK),
                convert_options=csv.ConvertOptions(
                    include_columns=wanted,
                    column_types=dict.fromkeys(wanted, pa.string()),
                    strings_can_be_null=False,
                ),
            ) as blocks,
        ):
            for block in blocks:
                if block.num_rows:
                    yield self._parse_fast([pc.ascii_trim_whitespace(column) for column in block.columns])
            self._lines = file.lines

    def _parse_fast(self, texts: list[pa.Array]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        if self._layout.market is not None and any(
            self._other_market(text) for text in texts[-1].unique().to_pylist()
        ):
            raise pa.ArrowInvalid("another market")  # the slow way names its line
        if self._epoch is None:
            self._epoch = stamps.is_epoch(texts[0][0].as_py())
        written = stamps.parse_fast(texts[0], epoch=self._epoch)
        numbers = texts[1 : len(COLUMNS)]
        if self._layout.empty_rows:
            numbers = [pc.if_else(pc.equal(text, ""), "nan", text) for text in numbers]
        values = [text.cast(pa.float64()).to_numpy() for text in numbers]
        return written.to_numpy(), dict(zip(NUMBERS, values, strict=True))

    def _slow(self) -> Iterator[tuple[np.ndarray, dict[str, np.ndarray]]]:
        """Yield what the fast way has not, row by row; InputError at the first row that cannot be read."""
        with TextFile(self._path, self._layout.skipped) as file:
            rows = islice(numbered_rows(file, self._layout.skipped), self._seen, None)
            while some := [self._parse_slow(line, row) for line, row in islice(rows, _SLOW_ROWS)]:
                columns = [np.array(column) for column in zip(*some, strict=True)]
                yield columns[0].astype(np.int64), dict(zip(NUMBERS, columns[1:], strict=True))
            self._lines = file.lines

    def _parse_slow(self, line: int, row: list[str]) -> tuple[float, ...]:
        layout = self._layout
        try:
            if len(row) != layout.width:
                raise ValueError(f"{len(row)} fields, where a row has {layout.width}")  # noqa: TRY301 - one message
            texts = {column: row[place].strip() for column, place in layout.places.items()}
            stamp = texts["timestamp"]
            "".join(texts.values()).encode()  # fails on what was not UTF-8
            if layout.market is not None and self._other_market(row[layout.market]):
                raise ValueError(  # noqa: TRY301 - as above
                    f"this row is of {row[layout.market].strip()!r}, the first one of {self._market}: "
                    "import each market from a file of its own"
                )
            self._epoch = stamps.is_epoch(stamp) if self._epoch is None else self._epoch
            written = stamps.parse_slow(stamp, epoch=self._epoch)
            if self._void(row):
                return (written, *[np.nan] * len(NUMBERS))
            return (written, *(_number(name, texts[name]) for name in NUMBERS))
        except UnicodeEncodeError:
            raise InputError(str(self._path), "is not text in UTF-8: save it as CSV in UTF-8", line) from None
        except ValueError as error:
            raise InputError(str(self._path), str(error), line) from None

    def _void(self, row: list[str]) -> bool:
        """Whether a row is one that this kind of file writes where there was no trade."""
        layout = self._layout
        return (
            layout.empty_rows
            and len(row) == layout.width
            and all(row[layout.places[name]].strip().lower() in _EMPTY for name in NUMBERS)
        )

    def _other_market(self, text: str) -> bool:
        """Whether `text` spells another market than the first row's."""
        name = market(text) or text.strip()
        self._market = self._market or name
        return name != self._market


def _number(name: str, text: str) -> float:
    if not text:
        raise ValueError(f"{name} is empty")
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"{name} {text!r} is not a number")
    return float(text)
