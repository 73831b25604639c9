"""Which files an import means, and what each of them holds as far as its name and first lines tell."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from btcql.errors import BtcqlError, InputError, PipelineError, SettingError
from btcql.records import SYNTHETIC, Timeframe, check_source, check_symbol
from etl.sources.detection import detect

# what a folder's data files end in; a checksum or a readme beside them is no error
_ENDINGS = (".csv", ".gz", ".zip", ".parquet", ".pq")


@dataclass(frozen=True)
class Archive:
    """A file of bars and what it holds; `timeframe` None is found by the bars' spacing."""

    file: Path
    symbol: str
    source: str
    timeframe: Timeframe | None


@dataclass(frozen=True)
class Wanted:
    """What a person says of the files to import; None is left to each file."""

    symbol: str | None = None
    source: str | None = None
    timeframe: Timeframe | None = None

    def __post_init__(self) -> None:
        if self.symbol is not None:
            check_symbol(self.symbol)
        if self.source == SYNTHETIC:
            raise SettingError(f"source {SYNTHETIC!r} is kept for made-up bars: give the file's own source")
        if self.source is not None:
            check_source(self.source)

    def archive(self, file: Path) -> Archive:
        """Say what a file holds: what was given, then what it tells; InputError where it is no bars."""
        origin = detect(file).origin
        symbol = self.symbol or origin.symbol
        if not symbol:
            raise InputError(
                str(file), f"holds {origin.kind}, but does not tell of which market: give --symbol BASE-QUOTE"
            )
        source = self.source or origin.source or f"file:{_stem(file)}"
        return Archive(file, check_symbol(symbol), check_source(source), self.timeframe or origin.timeframe)


@dataclass
class Selection:
    """The archives that can be landed, in the order of their names, and those that were refused so far."""

    archives: list[Archive]
    refused: list[InputError]

    @classmethod
    def of(cls, names: Sequence[str], wanted: Wanted) -> Selection:
        """Look at the files that `names` (files, folders, patterns) mean; raises what the only one does."""
        found = cls([], [])
        for file in data_files(names):
            try:
                found.archives.append(wanted.archive(file))
            except InputError as error:
                found.refused.append(error)
        if not found.archives:
            raise found.refusal()
        return found

    def refuse(self, archive: Archive, error: InputError) -> None:
        """Take an archive out, for it could not be landed."""
        self.archives.remove(archive)
        self.refused.append(error)

    def refusal(self) -> BtcqlError:
        """Return one error for all that was refused; the file's own when it is alone."""
        if len(self.refused) == 1 and not self.archives:
            return self.refused[0]
        number = f"{len(self.refused)} of {len(self.refused) + len(self.archives)} files were refused"
        rest = ", the others are in" if self.archives else ""
        if len(self.refused) == 1:
            return PipelineError(f"{number}{rest}: {self.refused[0]}")
        return PipelineError("\n".join([f"{number}{rest}:", *map(str, self.refused)]))

    def described(self) -> str:
        """Name what was landed: the file or how many, its markets and sources."""
        symbols = sorted({archive.symbol for archive in self.archives})
        sources = sorted({archive.source for archive in self.archives})
        files = self.archives[0].file.name if len(self.archives) == 1 else f"{len(self.archives)} files"
        told = ", ".join(sources) if len(sources) <= 3 else f"{len(sources)} sources"  # noqa: PLR2004 - to fit a line
        return f"{files} as {', '.join(symbols)} from {told}"


def data_files(names: Sequence[str]) -> list[Path]:
    """Return the files that `names` mean, each once, in the order of their own names.

    A name is that of a file of any ending, of a folder, whose data files are meant, or a pattern with
    *, ?, [...] or **. Raises InputError for one that means no file.
    """
    found = {file.absolute(): file for name in names for file in _meant(name)}
    return sorted(found.values(), key=lambda file: (file.name, str(file)))


def _meant(name: str) -> list[Path]:
    path = Path(name)
    if path.is_file():
        return [path]
    if path.is_dir():
        files = _data(path.iterdir())
        if not files:
            raise InputError(
                name,
                f"is a folder without a data file ({', '.join(_ENDINGS)}); "
                "for those in folders below it give a pattern such as 'data/**/*.zip'",
            )
        return files
    if not glob.has_magic(name):
        raise InputError(name, "is not a file or a folder: give the path of bars, see btcql import --help")
    files = _data(map(Path, glob.iglob(name, recursive=True)))  # noqa: PTH207 - a pattern may be absolute
    if not files:
        raise InputError(name, f"is a pattern that no data file fits ({', '.join(_ENDINGS)})")
    return files


def _data(paths: Iterable[Path]) -> list[Path]:
    return [
        path
        for path in paths
        if path.is_file() and not path.name.startswith(".") and path.name.lower().endswith(_ENDINGS)
    ]


def _stem(file: Path) -> str:
    stem = "".join(c if c.isalnum() or c in "._-" else "-" for c in file.name.split(".")[0])
    return stem.lstrip("._-") or "import"
