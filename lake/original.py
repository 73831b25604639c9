"""Imported files' own bytes, kept beside the bars that were read from them: original/<sha256>/<name>."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from btcql.errors import InputError, LakeError
from lake.files import REPAIR, Files

ORIGINAL = "original"

_PIECE = 1 << 20


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file outside the lake, in hexadecimal; InputError when it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(str(path), f"cannot be read: {error.strerror or error}") from error


def keep(files: Files, path: Path, sha256: str) -> None:
    """Copy a file piece by piece, once; InputError when its bytes are not those `sha256` was taken of."""
    try:
        size = path.stat().st_size
    except OSError as error:
        raise InputError(str(path), f"cannot be read: {error.strerror or error}") from error
    if files.size(f"{ORIGINAL}/{sha256}/{path.name}") != size:
        put(files, path, sha256, path.name)


def put(files: Files, path: Path, sha256: str, name: str) -> None:
    """Copy a file piece by piece as `name`, over whatever is there; InputError as `keep`."""
    try:
        file = path.open("rb")
    except OSError as error:
        raise InputError(str(path), f"cannot be read: {error.strerror or error}") from error
    with file:
        files.publish(f"{ORIGINAL}/{sha256}/{name}", _hashed(file, sha256, path))


@contextmanager
def opened(files: Files, sha256: str) -> Iterator[Path]:
    """Yield a path at which a kept file can be read, by its own name; a copy where the lake is elsewhere.

    Raises LakeError when it was never kept, and when a copy's bytes are not its own.
    """
    names = files.names(f"{ORIGINAL}/{sha256}")
    if not names:
        raise LakeError(
            f"{files.path(ORIGINAL)} has no file of SHA-256 {sha256}: "
            "its import was interrupted, run it again"
        )
    name = f"{ORIGINAL}/{sha256}/{names[0]}"
    local = files.local(name)
    if local:
        yield local
        return
    with tempfile.TemporaryDirectory(prefix="btcql-") as folder:
        copy = Path(folder) / names[0]
        if _copied(files, name, copy) != sha256:
            raise LakeError(damaged(files, name))
        yield copy


def _copied(files: Files, name: str, copy: Path) -> str:
    """Bring a file here and return its SHA-256."""
    digest = hashlib.sha256()
    try:
        with copy.open("xb") as file:
            for piece in files.chunks(name):
                digest.update(piece)
                file.write(piece)
    except OSError as error:
        raise LakeError(
            f"{files.path(name)} cannot be copied to {copy.parent} ({error.strerror or error}): "
            "set TMPDIR to a folder with more space"
        ) from error
    return digest.hexdigest()


def checked(files: Files, name: str, content: bytes, sha256: str) -> bytes:
    """Return the content of the file `name`; LakeError unless it is that which `sha256` was taken of."""
    if hashlib.sha256(content).hexdigest() != sha256:
        raise LakeError(damaged(files, name))
    return content


def damaged(files: Files, name: str) -> str:
    """Say that a file of the lake is not what it was, and the way out."""
    return f"{files.path(name)} does not match its checksum: {REPAIR}"


def wrong(files: Files) -> Iterator[tuple[str, str]]:
    """Read every kept file; yield the name and the SHA-256 of each whose bytes are no longer its own."""
    for name in files.find(ORIGINAL, None, None):
        digest = hashlib.sha256()
        for piece in files.chunks(name):
            digest.update(piece)
        sha256 = name.split("/")[1]
        if digest.hexdigest() != sha256:
            yield name, sha256


def _hashed(file: BinaryIO, sha256: str, path: Path) -> Iterator[bytes]:
    digest = hashlib.sha256()
    try:
        while piece := file.read(_PIECE):
            digest.update(piece)
            yield piece
    except OSError as error:  # here, lest it be taken for the lake's own
        raise InputError(str(path), f"cannot be read: {error.strerror or error}") from error
    if digest.hexdigest() != sha256:
        raise InputError(str(path), "changed while it was being read: import it again")
