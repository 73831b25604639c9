"""A whole file of bars, of any kind: read block by block, checked, and only then handed on month by month."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa

from btcql.errors import InputError
from btcql.records import Timeframe, utc
from etl.sources import series
from etl.sources.detection import Rows, detect
from etl.sources.layout import NUMBERS
from etl.sources.spool import Spool
from lake.schema import bars_table


@dataclass(frozen=True, slots=True)
class ArchiveBars:
    """Bars of one timeframe, checked whole; they can be read while their archive is open.

    Every bar that ended by `complete_through` is in them; `notices` say what was repaired, one line each.
    """

    timeframe: Timeframe
    complete_through: datetime
    notices: tuple[str, ...]
    _ts: np.ndarray
    _columns: Mapping[str, series.Column]
    _taken: np.ndarray | slice

    @property
    def rows(self) -> int:
        """The number of bars."""
        return len(self._ts)

    def months(self) -> Iterator[tuple[date, pa.Table]]:
        """Yield each month by its first day with its bars: the lake's schema BARS, sorted by ts, unique."""
        first, last = (np.datetime64(int(self._ts[row]), "us").astype("datetime64[M]") for row in (0, -1))
        months = np.arange(first, last + 2)  # with the end of the last one
        edges = np.searchsorted(self._ts, months.astype("datetime64[us]").astype(np.int64)).tolist()
        for month, (start, stop) in zip(
            months.astype("datetime64[D]").tolist(), pairwise(edges), strict=False
        ):
            if start == stop:
                continue
            taken = self._taken
            own = slice(start, stop) if isinstance(taken, slice) else taken[start:stop]
            table = bars_table(
                self._ts[start:stop], {name: column[own] for name, column in self._columns.items()}
            )
            yield month, table


@contextmanager
def opened(
    path: Path, timeframe: Timeframe | None, now: datetime, work_folder: Path
) -> Iterator[ArchiveBars]:
    """Read and check a whole file of bars, and yield them; `work_folder` holds them meanwhile.

    Without a timeframe the file's name tells it, or the most common spacing. Repaired with a notice: rows
    out of order, repeated rows, a bar still forming at `now`, blank lines. Anything else that is odd
    raises InputError with file, reason and line, and nothing is yielded; PipelineError for a full disk.
    """
    found = detect(path)
    with Spool(work_folder) as spool:
        _fill(spool, found.rows, utc(now))
        if not spool.rows:
            raise InputError(str(path), "has no bars: there is nothing below its header")
        ts = spool.column("timestamp")[slice(0, spool.rows)]
        columns = {name: spool.column(name) for name in NUMBERS}
        try:
            arranged = series.arrange(ts, columns, timeframe or found.origin.timeframe, utc(now))
        except series.RowError as error:
            raise found.rows.refuse(error.row, error.reason) from None
        except series.SeriesError as error:
            raise InputError(str(path), str(error)) from None
        yield ArchiveBars(
            arranged.timeframe,
            arranged.complete_through,
            (*found.rows.notices(), *arranged.notices),
            ts[arranged.rows],
            columns,
            arranged.rows,
        )


def _fill(spool: Spool, rows: Rows, now: datetime) -> None:
    """Bring all rows into the spool, each block checked before."""
    with closing(rows.blocks()) as blocks:
        for block in blocks:
            try:
                series.check_rows(block.ts, block.numbers, now)
            except series.RowError as error:
                raise rows.refuse(spool.rows + error.row, error.reason) from None
            spool.append(block)
