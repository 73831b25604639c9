"""The header Range (RFC 9110, section 14): one range of bytes; what else it may say is not followed."""

from __future__ import annotations

import re

_RANGE = re.compile(r"\s*bytes\s*=\s*(\d{0,18})\s*-\s*(\d{0,18})\s*", re.ASCII | re.IGNORECASE)


def parse_range(header: str | None) -> tuple[int | None, int | None] | None:
    """Return (first, last) of one range, or (None, number) of the last so many bytes.

    None for no range, several, or what is none: a server may answer those with the whole.
    """
    found = _RANGE.fullmatch(header or "")
    if found is None or not (found[1] or found[2]):
        return None
    first, last = (int(digits) if digits else None for digits in found.groups())
    if first is not None and last is not None and last < first:
        return None
    return first, last


def place_range(asked: tuple[int | None, int | None], size: int) -> tuple[int, int] | None:
    """Return [start, stop) of a range in a file of `size` bytes; None: not one of them is in it."""
    first, last = asked
    if first is None:
        start, stop = max(0, size - (last or 0)), size
    else:
        start, stop = first, size if last is None else min(last + 1, size)
    return (start, stop) if start < stop else None
