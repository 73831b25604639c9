"""Bars on their way through a file's check: on disk, a file for each column, so that memory stays small."""

from __future__ import annotations

import errno
import shutil
import tempfile
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from btcql.errors import PipelineError
from etl.sources.bars import Block
from etl.sources.layout import COLUMNS

_BYTES = 8  # of an int64 as of a float64
_NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class Column:
    """One column of `rows` bars in its file; taking some of them reads no more than from first to last."""

    def __init__(self, path: Path, dtype: type[np.generic]) -> None:
        self._path, self._dtype = path, dtype

    def __getitem__(self, rows: slice | np.ndarray) -> np.ndarray:
        if isinstance(rows, slice):
            return self._read(rows.start, rows.stop)
        first = int(rows.min())
        return np.asarray(self._read(first, int(rows.max()) + 1)[rows - first])

    def _read(self, start: int, stop: int) -> np.ndarray:
        found: np.ndarray = np.fromfile(self._path, self._dtype, stop - start, offset=start * _BYTES)
        if len(found) != stop - start:
            raise PipelineError(f"{self._path} was cut while it was in use: run again")
        return found


class Spool:
    """A place for bars below `folder` that is filled once, then read; a context manager that removes it.

    Raises PipelineError, with the way out, when the disk does not take them.
    """

    def __init__(self, folder: Path) -> None:
        self._parent = folder
        self._files: dict[str, FileIO] = {}
        self.rows = 0

    def __enter__(self) -> Self:
        try:
            self._parent.mkdir(parents=True, exist_ok=True)
            self._folder = Path(tempfile.mkdtemp(prefix="spool-", dir=self._parent))
        except OSError as error:
            raise self._refused(error) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for file in self._files.values():
            file.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def append(self, block: Block) -> None:
        """Add bars at the end."""
        if not len(block.ts):
            return
        try:
            for name, column in {"timestamp": block.ts, **block.numbers}.items():
                if name not in self._files:
                    self._files[name] = self._path(name).open("wb", buffering=0)
                # not by ndarray.tofile, which takes a full disk for a success
                left = np.ascontiguousarray(column).data.cast("B")
                while left:
                    left = left[self._files[name].write(left) :]
        except OSError as error:
            raise self._refused(error) from error
        self.rows += len(block.ts)

    def column(self, name: str) -> Column:
        """Return a column of what was appended."""
        return Column(self._path(name), np.int64 if name == COLUMNS[0] else np.float64)

    def _path(self, name: str) -> Path:
        return self._folder / name

    def _refused(self, error: OSError) -> PipelineError:
        way_out = (
            "free some space, or set BTCQL_HOME to a folder on a larger disk, and run again"
            if error.errno in _NO_SPACE
            else "make it writable, or set BTCQL_HOME to a folder that is"
        )
        return PipelineError(
            f"{self._parent} cannot be written ({error.strerror or error}): {way_out}; nothing was landed"
        )
