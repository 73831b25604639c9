"""From the lake's address to the kind of place that it is at: the only one to choose."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

from btcql.errors import LakeError
from lake.files import Files
from lake.local import LocalFiles


def files_at(root: str) -> Files:
    """Return the files below a folder, or a file://, s3://, hdfs:// or webhdfs:// address.

    Raises LakeError for other addresses and where what they need is not installed.
    """
    scheme, found, rest = root.partition("://")
    if not found:
        return LocalFiles(Path(root))
    if scheme == "file":
        return LocalFiles(Path(rest))
    return _remote(root, os.getpid())


@cache
def _remote(root: str, process: int) -> Files:  # noqa: ARG001 - connections and their threads die in a fork
    """Return this process's files at a server: to open connections takes longer than to read a manifest."""
    scheme = root.partition("://")[0]
    if scheme in {"s3", "s3a"}:
        from lake.objects import ObjectFiles  # noqa: PLC0415 - for those who have such a lake

        return ObjectFiles(root)
    if scheme in {"hdfs", "webhdfs"}:
        from lake.hdfs import hdfs_files  # noqa: PLC0415 - as above

        return hdfs_files(root)
    raise LakeError(
        f"{root} is not the address of a lake: give a folder, or file://, s3://, hdfs:// or webhdfs://"
    )
