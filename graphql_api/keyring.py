"""Who a key is: asked of the database at most once a second, so that a revoked key ends within one."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic

from btcql.errors import DatabaseError, DatabaseUnavailableError, QueryError
from database.pool import Pool
from database.readers.keys import KeyFacts, fetch_key, note_uses

logger = logging.getLogger("btcql.api")

_FRESH_SECONDS = 1.0
_TRUSTED_SECONDS = 3600.0  # without the database, which alone could say that a key was revoked
_MOST = 10_000  # keys, and texts that are none


@dataclass
class _Entry:
    facts: KeyFacts | None
    asked_at: float
    confirmed_at: float


class KeyRing:
    """The keys seen lately, and when each was used; `keep` writes that down by way of `notes`."""

    def __init__(self, pool: Pool, notes: Pool, note_seconds: float = 60.0) -> None:
        self._pool, self._notes, self._note_seconds = pool, notes, note_seconds
        self._entries: OrderedDict[bytes, _Entry] = OrderedDict()
        self._used: dict[int, float] = {}

    def knows(self, sha256: bytes) -> bool:
        """Return whether the hash is known as a key's, without asking."""
        entry = self._entries.get(sha256)
        return entry is not None and entry.facts is not None

    def recall(self, sha256: bytes) -> KeyFacts | None:
        """Return the key of this hash if that is known without asking, and is not to be asked again yet."""
        now = monotonic()
        entry = self._entries.get(sha256)
        if entry is None or entry.facts is None or now - entry.asked_at >= _FRESH_SECONDS:
            return None
        self._entries.move_to_end(sha256)
        self._used[entry.facts.key_id] = now
        return entry.facts

    async def find(self, sha256: bytes) -> KeyFacts | None:
        """Return the key of this hash, None if there is none (any more).

        While the database does not answer, a key that it knew within the hour is one. Raises what Pool.run
        raises for others.
        """
        now = monotonic()
        entry = self._entries.get(sha256)
        if entry is None or now - entry.asked_at >= _FRESH_SECONDS:
            if entry is not None:
                entry.asked_at = now  # others go on with what is known, and do not ask too
            try:
                facts = await self._pool.run(fetch_key, sha256)
            except (DatabaseUnavailableError, QueryError):
                if entry is None or now - entry.confirmed_at >= _TRUSTED_SECONDS:
                    raise
            else:
                entry = _Entry(facts, now, now)
                self._entries[sha256] = entry
                if len(self._entries) > _MOST:
                    self._entries.popitem(last=False)
        self._entries.move_to_end(sha256)
        if entry.facts is not None:
            self._used[entry.facts.key_id] = now
        return entry.facts

    async def keep(self) -> None:
        """Write down when keys were used, every minute, until cancelled; then for the last time."""
        try:
            while True:
                await asyncio.sleep(self._note_seconds)
                await self._note()
        finally:
            with suppress(asyncio.CancelledError):
                await self._note()

    async def _note(self) -> None:
        """Write down the uses; without a database they wait for the next time."""
        used, self._used = self._used, {}
        if not used:
            return
        now = monotonic()
        try:
            await self._notes.run(note_uses, {key_id: now - at for key_id, at in used.items()})
        except (DatabaseError, QueryError) as error:
            logger.warning("the last use of %s keys could not be written down: %s", len(used), error)
            self._used = used | self._used
