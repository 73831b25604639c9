"""From the lake's address to the kind of place that it is at: the only one to choose."""

from __future__ import annotations

from pathlib import Path

from btcql.errors import LakeError
from lake.files import Files
from lake.local import LocalFiles


def files_at(root: str) -> Files:
    """Return the files below a folder or a file:// address; LakeError for other addresses."""
    scheme, found, rest = root.partition("://")
    if not found:
        return LocalFiles(Path(root))
    if scheme == "file":
        return LocalFiles(Path(rest))
    raise LakeError(f"{root} is not the address of a lake: give a folder, or file://")
