"""API keys as texts: `btcql_<8 hexadecimal digits>_<256 random bits>`."""

from __future__ import annotations

import hashlib
import re
import secrets
from typing import NamedTuple

PREFIX = "btcql_"
_BITS = 256
_FORM = re.compile(PREFIX + r"[0-9a-f]{8}_[A-Za-z0-9_-]{43}")


class Token(NamedTuple):
    """A new key: its whole text, and the part of it that may be shown."""

    text: str
    prefix: str


def new_token() -> Token:
    """Make a key that nobody has."""
    prefix = f"{PREFIX}{secrets.token_hex(4)}"
    return Token(f"{prefix}_{secrets.token_urlsafe(_BITS // 8)}", prefix)


def digest(token: str) -> bytes | None:
    """Return what is kept of a key: its SHA-256; None for a text that cannot be one.

    Not a slow hash of passwords: there is nothing to guess in 256 random bits, and each request needs it.
    """
    return hashlib.sha256(token.encode()).digest() if _FORM.fullmatch(token) else None
