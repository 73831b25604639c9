"""The lake in an S3 bucket: whole objects only, and conditions that the store itself checks.

An object appears when its PUT has ended, so nothing is ever half there. Files of bars are put on the
condition that there is none of their name (If-None-Match), the manifest on the condition that it is still
the one that was read (If-Match on its ETag): no lock, no clock, and no writer loses another's change.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from btcql.errors import LakeError
from lake.bucket import CONNECTIONS, Bucket
from lake.files import REPAIR, Files, Version
from lake.refusal import Refused, translated

_PART_BYTES = 32 << 20  # a PUT of one piece up to here, of many beyond: at most one is in memory
_READ_BYTES = 32 << 20
_STALE_UPLOAD = timedelta(days=1)  # a big file over a slow line is not dead after an hour
_PUTS = 5


class ObjectFiles(Files):
    """Objects below a bucket's prefix, for one process."""

    readers = CONNECTIONS

    def __init__(self, root: str) -> None:
        self._bucket = Bucket(root)
        self.root = self._bucket.root
        self._conditions_hold = False
        self._kept: dict[str, Version] = {}

    def size(self, name: str) -> int | None:
        """Return the object's size in bytes, None when there is none."""
        try:
            return int(self._bucket.call("head_object", name)["ContentLength"])
        except Refused as refused:
            if refused.is_missing_object:
                return None
            raise refused.error from refused

    def chunks(self, name: str) -> Iterator[bytes]:
        """Yield the object's bytes piece by piece, all of the same version of it."""
        start, total = 0, 1
        condition: dict[str, str] = {}
        while start < total:
            asked = {"Range": f"bytes={start}-{start + _READ_BYTES - 1}"} | condition
            try:
                piece, answer = self._bucket.get(name, **asked)
            except Refused as refused:
                if refused.code == "InvalidRange" and not start:  # there is nothing to give a range of
                    return
                if refused.is_missing_object:
                    raise LakeError(f"{self.path(name)} is missing: {REPAIR}") from refused
                raise refused.error from refused
            total = int(answer.get("ContentRange", f"/{len(piece)}").rpartition("/")[2])
            condition = {"IfMatch": answer["ETag"]}
            start += len(piece)
            yield piece

    def current(self, name: str) -> Version | None:
        """Return a document as it is now; its tag is its ETag."""
        try:
            content, answer = self._bucket.get(name)
        except Refused as refused:
            if refused.is_missing_object:
                return None
            raise refused.error from refused
        return Version(content, answer["ETag"])

    def names(self, folder: str) -> list[str]:
        """Return the names in a folder, sorted; empty when nothing is there."""
        prefix = f"{folder}/" if folder else ""
        found = self._bucket.listed(prefix, Delimiter="/")
        return sorted(name.removeprefix(prefix).rstrip("/") for name, _ in found if name != prefix)

    def find(self, *levels: str | None) -> list[str]:
        """Return the objects whose paths match, with one request per thousand of those that may."""
        return [name for name, _ in self._matching(levels)]

    def documents(self, *levels: str | None) -> list[tuple[str, bytes]]:
        """Return what `find` does, each with its bytes; what was read at its ETag is not asked for."""
        found = self._matching(levels)
        changed = [name for name, tag in found if name not in self._kept or self._kept[name].tag != tag]
        for name, content in zip(changed, self.read_all(changed), strict=True):
            self._kept[name] = Version(content, dict(found)[name])
        return [(name, self._kept[name].content) for name, _ in found]

    def publish(self, name: str, pieces: Iterable[bytes]) -> None:
        """Put an object whole: in one request if it is small, else piece by piece, visible at the end."""
        self._check_conditions()
        parts = _parts(pieces)
        first = next(parts, b"")
        second = next(parts, None)
        if second is None:
            self._publish_one(name, first)
        else:
            self._publish_many(name, first, second, parts)

    def swap(self, name: str, content: bytes, seen: Version | None) -> bool:
        """Put a document if its ETag is still the one that was seen, which the store decides."""
        self._check_conditions()
        return self._put(name, content, seen)

    def remove(self, name: str) -> None:
        """Remove an object; nothing happens when it is not there."""
        with translated():
            self._bucket.call("delete_object", name)

    def remove_folder(self, folder: str) -> None:
        """Nothing to do: a bucket has no folders."""

    def sweep(self) -> int:
        """Let go of uploads that began over a day ago and never ended; return how many there were."""
        long_ago = datetime.now(UTC) - _STALE_UPLOAD
        with translated():
            answer = self._bucket.call("list_multipart_uploads", None, Prefix=self._bucket.prefix)
            stale = [upload for upload in answer.get("Uploads", []) if upload["Initiated"] < long_ago]
            for upload in stale:
                name = upload["Key"].removeprefix(self._bucket.prefix)
                self._bucket.call("abort_multipart_upload", name, UploadId=upload["UploadId"])
        return len(stale)

    def _publish_one(self, name: str, content: bytes) -> None:
        seen = None
        for _ in range(_PUTS):
            if self._put(name, content, seen):
                return
            seen = self.current(name)
            if seen and seen.content == content:
                return
        raise LakeError(
            f"{self.path(name)} changes while it is written: end its other writers, then run again"
        )

    def _publish_many(self, name: str, first: bytes, second: bytes, rest: Iterator[bytes]) -> None:
        there = self.exists(name)
        with translated():
            upload = self._bucket.call("create_multipart_upload", name)["UploadId"]
            size, tags = 0, []
            try:
                for number, piece in enumerate(_chained(first, second, rest), 1):
                    answer = self._bucket.call(
                        "upload_part", name, UploadId=upload, PartNumber=number, Body=piece
                    )
                    tags.append({"PartNumber": number, "ETag": answer["ETag"]})
                    size += len(piece)
                self._complete(name, upload, tags, there=there)
            except BaseException:
                # Parts of an upload that never ends cost money and are seen by nobody.
                with contextlib.suppress(Refused):
                    self._bucket.call("abort_multipart_upload", name, UploadId=upload)
                raise
        if self.size(name) != size:
            raise LakeError(f"{self.path(name)} is there with other bytes: {REPAIR}")

    def _complete(self, name: str, upload: str, tags: list[dict[str, Any]], *, there: bool) -> None:
        condition = {} if there else {"IfNoneMatch": "*"}
        try:
            self._bucket.call(
                "complete_multipart_upload",
                name,
                UploadId=upload,
                MultipartUpload={"Parts": tags},
                **condition,
            )
        except Refused as refused:
            if not refused.is_lost:  # the same file, put by another writer meanwhile: its size is compared
                raise
            self._bucket.call("abort_multipart_upload", name, UploadId=upload)

    def _put(self, name: str, content: bytes, seen: Version | None) -> bool:
        condition = {"IfMatch": seen.tag} if seen else {"IfNoneMatch": "*"}
        try:
            self._bucket.call("put_object", name, Body=content, **condition)
        except Refused as refused:
            if not (refused.is_lost or (seen and refused.is_missing_object)):
                raise refused.error from refused
            if not refused.retried:
                return False
            # an earlier try may have arrived though its answer was lost
            now = self.current(name)
            return now is not None and now.content == content
        return True

    def _check_conditions(self) -> None:
        """Raise LakeError for a store that puts objects whatever the condition: there writers would lose."""
        if self._conditions_hold:
            return
        name, seen = f".probe/{uuid.uuid4().hex}", Version(b"", '"00000000000000000000000000000000"')
        with contextlib.ExitStack() as stack:
            if self._put(name, b"1", None):
                stack.callback(self.remove, name)
            if self._put(name, b"2", None) or self._put(name, b"3", seen):
                raise LakeError(
                    f"{self.root} is in a store that ignores the conditions of a PUT (If-None-Match, "
                    "If-Match), so writers would lose each other's bars: set BTCQL_LAKE to another store, "
                    "or to a folder"
                )
        self._conditions_hold = True

    def _matching(self, levels: tuple[str | None, ...]) -> list[tuple[str, str]]:
        """Return the objects whose paths match, as (name, ETag), sorted.

        Levels of any name are walked only where a fixed one below makes the listing shorter.
        """
        prefixes = [""]
        below = list(levels)
        while None in below[:-1] and any(level is not None for level in below[below.index(None) : -1]):
            free = below.index(None)
            fixed = "".join(f"{level}/" for level in below[:free])
            prefixes = [
                f"{prefix}{fixed}{name}/"
                for prefix in prefixes
                for name in self.names(f"{prefix}{fixed}"[:-1])
            ]
            below = below[free + 1 :]
        end = below.index(None) if None in below else len(below) - 1
        fixed = "".join(f"{level}/" for level in below[:end])
        found = [pair for prefix in prefixes for pair in self._bucket.listed(f"{prefix}{fixed}")]
        return sorted(pair for pair in found if _matches(pair[0], levels))


def _matches(name: str, levels: tuple[str | None, ...]) -> bool:
    parts = name.split("/")
    return len(parts) == len(levels) and all(
        part and level in {None, part} for part, level in zip(parts, levels, strict=True)
    )


def _parts(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Join pieces to parts of the size of one PUT, the last one smaller."""
    part = bytearray()
    for piece in pieces:
        part += piece
        while len(part) > _PART_BYTES:
            yield bytes(part[:_PART_BYTES])
            del part[:_PART_BYTES]
    yield bytes(part)


def _chained(first: bytes, second: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield second
    yield from rest
