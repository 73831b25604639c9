"""Imported files' own bytes, kept beside the bars that were read from them: original/<sha256>/<name>."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from btcql.errors import InputError, LakeError
from lake.files import Files

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
    name = f"{ORIGINAL}/{sha256}/{path.name}"
    try:
        if files.size(name) == path.stat().st_size:
            return
        with path.open("rb") as file:
            files.publish(name, _hashed(file, sha256, path))
    except OSError as error:
        raise InputError(str(path), f"cannot be read: {error.strerror or error}") from error


def find(files: Files, sha256: str) -> Path:
    """Return the path of a kept file; LakeError when it was never kept."""
    for name in files.names(f"{ORIGINAL}/{sha256}"):
        return Path(files.path(f"{ORIGINAL}/{sha256}/{name}"))
    raise LakeError(
        f"{files.path(ORIGINAL)} has no file of SHA-256 {sha256}: its import was interrupted, run it again"
    )


def wrong(files: Files) -> Iterator[str]:
    """Read every kept file and yield one line for each whose bytes are no longer its own."""
    for sha256 in files.names(ORIGINAL):
        for name in files.names(f"{ORIGINAL}/{sha256}"):
            path, digest = f"{ORIGINAL}/{sha256}/{name}", hashlib.sha256()
            for piece in files.chunks(path, _PIECE):
                digest.update(piece)
            if digest.hexdigest() != sha256:
                yield f"{files.path(path)} does not match its checksum: restore it from a copy"


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
