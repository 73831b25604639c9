"""Timestamps of bars as files spell them: ISO 8601, or an epoch whose unit its magnitude tells."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

# one line of the units: the smallest number that is read in it, its name, microseconds in one
_UNITS = ((0, "seconds", 1_000_000), (10**11, "milliseconds", 1_000), (10**14, "microseconds", 1))
_TOO_LARGE = 10**17
_EPOCH = re.compile(r"[+-]?\d+(\.0*)?")
_ISO = re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}.*)?")

GENESIS = datetime(2009, 1, 3, tzinfo=UTC)  # the first block of the chain: no price is older


def is_epoch(text: str) -> bool:
    """Say whether a timestamp is written as an epoch."""
    return bool(_EPOCH.fullmatch(text))


def scaled(numbers: np.ndarray, first: int | None) -> tuple[np.ndarray, int | None]:
    """Turn int64 epochs into microseconds, and name the first row, from 0, whose unit will not do.

    With the file's `first` epoch all must be in its unit; with None each is read by its own magnitude.
    """
    edges = [least for least, _, _ in _UNITS[1:]] + [_TOO_LARGE]
    units = np.digitize(np.abs(numbers), edges)
    wrong = units == len(_UNITS)
    if first is not None:
        wrong |= units != np.digitize(abs(first), edges)
    if wrong.any():
        return numbers, int(np.argmax(wrong))
    return numbers * np.array([factor for _, _, factor in _UNITS])[units], None


def wrong_unit(number: int, first: int | None) -> str:
    """Say why `scaled` named the row of this epoch."""
    if first is None or abs(number) >= _TOO_LARGE:
        return f"timestamp {number} is in no known unit: epochs are in s, ms or us"
    return (
        f"timestamp {number} is in {_unit_name(number)}, the first row's {first} in {_unit_name(first)}: "
        "one file has one unit (s, ms or us)"
    )


def parse_fast(texts: pa.Array, *, epoch: bool) -> pa.Array:
    """Return epochs as they are, ISO timestamps as microseconds, both int64; ArrowInvalid if one is odd."""
    if epoch:
        if pc.any(pc.match_substring(texts, ".")).as_py():  # pandas writes whole seconds as 1325412060.0
            texts = pc.replace_substring_regex(texts, r"\.0*$", "")
        return texts.cast(pa.int64())
    zoned = pc.match_substring_regex(texts.slice(0, 1), r"(Z|[+-]\d{2}:?\d{2})$")[0].as_py()
    return texts.cast(pa.timestamp("us", tz="UTC") if zoned else pa.timestamp("us")).cast(pa.int64())


def parse_slow(text: str, *, epoch: bool) -> int:
    """Return what `parse_fast` does, of one timestamp; ValueError with the reason."""
    if is_epoch(text) != epoch:
        other = "an epoch" if epoch else "ISO 8601"
        raise ValueError(f"timestamp {text!r} is not {other} as the first row's is")
    if epoch:
        number = int(text.partition(".")[0])
        if abs(number) >= _TOO_LARGE:
            raise ValueError(f"timestamp {text!r} is in no known unit: epochs are in s, ms or us")
        return number
    try:
        if not _ISO.fullmatch(text):
            raise ValueError(text)  # noqa: TRY301 - both ways of being odd get one message
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(
            f"timestamp {text!r} is neither ISO 8601 (2024-03-13T00:00:00Z) nor an epoch in s, ms or us"
        ) from error
    instant = instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
    since = instant - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def spelt(microseconds: int) -> str:
    """Spell microseconds since the epoch as a person reads them."""
    return str(np.datetime64(int(microseconds), "us").astype("datetime64[s]")) + "Z"


def _unit_name(number: int) -> str:
    return next(name for least, name, _ in reversed(_UNITS) if abs(number) >= least)
