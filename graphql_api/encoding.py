"""An answer's bytes, plain and compressed, and the tag that names them."""

from __future__ import annotations

import asyncio
import gzip
from hashlib import blake2b

LEAST = 1_400  # bytes: less fits into one packet, compressed or not
_LEVEL = 1  # a series: 5 ms for 457 kB, to a fifth; the next levels take thrice that for a tenth less
_THREAD_WORTHY = 100_000  # bytes: about a millisecond, the most that other requests may wait for


class Encoded:
    """The bytes of one answer; its tag and its compressed bytes are made when first asked for, and kept."""

    __slots__ = ("_gzip", "_tag", "body")

    def __init__(self, body: bytes) -> None:
        self.body = body
        self._tag: str | None = None
        self._gzip: bytes | None = None

    @property
    def tag(self) -> str:
        """The same for the same bytes, whichever process and version of the data they come from."""
        if self._tag is None:
            self._tag = blake2b(self.body, digest_size=16).hexdigest()
        return self._tag

    @property
    def is_worth_compressing(self) -> bool:
        """Whether compressing saves a packet at least."""
        return len(self.body) >= LEAST

    def at_hand(self, *, compressed: bool) -> bytes | None:
        """Return the bytes, if they need not be compressed first."""
        return self._gzip if compressed else self.body

    async def compressed(self) -> bytes:
        """Return the bytes in gzip's format; large ones are compressed by another thread."""
        if self._gzip is None:
            if len(self.body) >= _THREAD_WORTHY:
                self._gzip = await asyncio.to_thread(_compress, self.body)
            else:
                self._gzip = _compress(self.body)
        return self._gzip


def _compress(body: bytes) -> bytes:
    return gzip.compress(body, _LEVEL, mtime=0)
