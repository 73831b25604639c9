"""A file's bytes, taken out of gzip or zip on the way: known by content, bounded, never on the disk."""

from __future__ import annotations

import gzip
import lzma
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Self, cast

from btcql.errors import InputError

_GZIP = b"\x1f\x8b"
_ZIPS = (b"PK\x03\x04", b"PK\x05\x06")  # the second is a zip of nothing
_MAGIC = 4
_ENCRYPTED = 0x1
# Text of prices packs to a tenth, a made-up one to a fiftieth; what is far beyond was made to fill a disk.
_MOST_TIMES = 200
_FREE_BYTES = 64 << 20
_NAMES_SHOWN = 3
_DAMAGED = (
    EOFError,
    zlib.error,
    lzma.LZMAError,
    gzip.BadGzipFile,
    zipfile.BadZipFile,
    NotImplementedError,
    RuntimeError,
)


class UnpackedFile:
    """The bytes of `path`, or of what it packs, to be read once from start to end; a context manager.

    `names` are the file's own and, of a zip, its member's. Raises InputError, on opening or while
    reading, for a file that is not there, damaged, encrypted, or packed beyond all measure.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.names: tuple[str, ...] = (path.name,)
        self._packing = ""
        self._zip: zipfile.ZipFile | None = None
        self._taken = 0
        try:
            self._most = max(_FREE_BYTES, _MOST_TIMES * path.stat().st_size)
            self._source = self._opened()
        except OSError as error:
            raise InputError(str(path), f"cannot be read: {error.strerror or error}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _opened(self) -> BinaryIO:
        file = self.path.open("rb")
        magic = file.read(_MAGIC)
        file.seek(0)
        # by content, for downloads often lose or gain the ending
        if magic.startswith(_GZIP):
            file.close()  # gzip.open closes what it opened itself
            self._packing = "gzip"
            return cast(BinaryIO, gzip.open(self.path, "rb"))
        if magic in _ZIPS:
            file.close()
            self._packing = "zip"
            return self._member()
        claimed = {".gz": "gzip", ".zip": "zip"}.get(self.path.suffix.lower())
        if claimed and magic:
            page = ", but a web page" if magic.lstrip().startswith(b"<") else ""
            file.close()
            raise InputError(
                str(self.path), f"is not {claimed}, though its name says so{page}: download it again"
            )
        return file

    def _member(self) -> BinaryIO:
        """Open the one CSV file of a zip."""
        try:
            self._zip = zipfile.ZipFile(self.path)
        except _DAMAGED as error:
            raise self._damaged(error) from error
        try:
            return self._only_csv(self._zip)
        except BaseException:
            self._zip.close()
            raise

    def _only_csv(self, packed: zipfile.ZipFile) -> BinaryIO:
        inside = [
            member
            for member in packed.infolist()
            if not member.is_dir()
            and not any(part.startswith((".", "__MACOSX")) for part in PurePosixPath(member.filename).parts)
        ]
        found = [member for member in inside if member.filename.lower().endswith(".csv")]
        if len(found) != 1:
            names = [member.filename for member in found or inside]
            shown = ", ".join(names[:_NAMES_SHOWN]) + (", ..." if len(names) > _NAMES_SHOWN else "")
            raise InputError(
                str(self.path),
                f"holds {len(found)} CSV files ({shown}): unpack it and import its folder"
                if found
                else f"holds no CSV file, but {shown or 'nothing'}: a zip is taken with one CSV file in it",
            )
        member = found[0]
        if member.flag_bits & _ENCRYPTED:
            raise InputError(str(self.path), f"{member.filename} in it is encrypted: unpack it first")
        if member.file_size > self._most:  # more than it says is never read of a member
            raise self._bomb()
        self.names = (*self.names, PurePosixPath(member.filename).name)
        try:
            return cast(BinaryIO, packed.open(member))
        except _DAMAGED as error:
            raise self._damaged(error) from error

    def read(self, size: int) -> bytes:
        """Return the next `size` bytes, fewer only at the end, b'' after it."""
        try:
            piece = self._source.read(size)
        except _DAMAGED as error:
            raise self._damaged(error) from error
        except OSError as error:
            raise InputError(str(self.path), f"cannot be read: {error.strerror or error}") from error
        self._taken += len(piece)
        if self._packing and self._taken > self._most:
            raise self._bomb()
        return piece

    def _damaged(self, error: Exception) -> InputError:
        return InputError(
            str(self.path), f"is cut off or damaged {self._packing} ({error}): download it again"
        )

    def _bomb(self) -> InputError:
        return InputError(
            str(self.path),
            f"unpacks to more than {_MOST_TIMES} times its size, as no prices do: unpack it yourself",
        )

    def close(self) -> None:
        """Close the file."""
        self._source.close()
        if self._zip is not None:
            self._zip.close()
