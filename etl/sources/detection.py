"""Which kind of file of bars a path is: by its content first, by its name where only that tells.

A new kind is one module with a function `recognise`, and its name in KINDS.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from btcql.errors import InputError
from etl.sources import binance, cryptodatadownload, kaggle, plain
from etl.sources.bars import Block
from etl.sources.layout import Layout, Origin
from etl.sources.parquet import MAGIC, ParquetRows
from etl.sources.rows import TextRows
from etl.sources.text import Head, read_head
from etl.sources.unpacked import UnpackedFile

# in this order: plain takes what the others, more special, have not
KINDS: tuple[Callable[[Head], Layout | None], ...] = (
    binance.recognise,
    cryptodatadownload.recognise,
    kaggle.recognise,
    plain.recognise,
)
TAKEN = (
    "CSV with the header timestamp,open,high,low,close,volume, Parquet with these columns, Binance klines, "
    "Kaggle's Bitstamp minutes and CryptoDataDownload, plain, .gz or .zip"
)
_SHOWN = 120


class Rows(Protocol):
    """The bars of one file, whatever it is."""

    def blocks(self) -> Generator[Block, None, None]:
        """Yield the bars in the order of the file."""

    def refuse(self, row: int, reason: str) -> InputError:
        """Return the error that names the place of the `row`-th bar, from 0."""

    def notices(self) -> list[str]:
        """Say, once the blocks have ended, what was odd and did no harm."""


@dataclass(frozen=True, slots=True)
class Found:
    """A file's bars, and what it tells of where they come from."""

    origin: Origin
    rows: Rows


def detect(path: Path) -> Found:
    """Look at a file's first lines and its name; InputError, saying what was seen, where no kind fits."""
    with UnpackedFile(path) as file:
        magic = file.read(len(MAGIC))
    if magic == MAGIC:
        return Found(plain.ORIGIN, ParquetRows(path))
    head = read_head(path)
    for recognise in KINDS:
        layout = recognise(head)
        if layout:
            return Found(layout.origin, TextRows(path, layout))
    line, fields = head.lines[0]
    seen = ",".join(fields)
    if seen.startswith("<"):
        raise InputError(str(path), f"is a web page or XML, no data ({seen[:_SHOWN]}): download it again")
    raise InputError(
        str(path), f"is of no kind that is known: it begins with {seen[:_SHOWN]!r}. Taken are {TAKEN}", line
    )
