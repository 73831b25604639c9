"""What may be shown of an address that may hold a secret."""

from __future__ import annotations

import re


def without_secrets(addresses: str) -> str:
    """Return notification addresses as they may be shown: their kinds alone, for a key may stand anywhere."""
    return re.sub(r"(\w+://)[^\s,]*|[^\s,]+", lambda found: f"{found[1] or ''}***", addresses)


def without_password(url: str) -> str:
    """Return an address as it may be shown, well-formed or not: no part of a password in it."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        return url
    # To the last @, for a password may hold one that is not encoded.
    user, at, place = rest.rpartition("@")
    shown = f"{user.split(':', 1)[0]}:***@{place}" if at and ":" in user else rest
    return f"{scheme}://" + re.sub(r"(password=)[^&]*", r"\1***", shown)
