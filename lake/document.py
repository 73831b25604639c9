"""Strict reading of the lake's small JSON documents: manifests and receipts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, TypeVar

from btcql.errors import LakeError, SettingError
from btcql.records import utc

T = TypeVar("T")


class Fields:
    """The fields of one JSON object, each taken once with its type; ValueError where they differ."""

    def __init__(self, content: object) -> None:
        if not isinstance(content, dict):
            raise ValueError(f"{type(content).__name__} stands where an object must")  # noqa: TRY004 - as json's
        self._left: dict[str, Any] = dict(content)

    def take(self, key: str, kind: type[T]) -> T:
        """Return the field `key`, which must be there and be of `kind` itself."""
        if key not in self._left:
            raise ValueError(f"{key} is missing")
        value = self._left.pop(key)
        if type(value) is not kind:
            raise ValueError(f"{key} is {value!r}, not of type {kind.__name__}")
        return value

    def instant(self, key: str) -> datetime:
        """Return the field `key` as an instant in UTC."""
        return utc(datetime.fromisoformat(self.take(key, str)))

    def end(self) -> None:
        """Refuse fields that nobody took: they would be lost when the document is written again."""
        if self._left:
            raise ValueError(f"{min(self._left)} is not a known field")


@contextmanager
def reading(kind: str, name: str) -> Iterator[None]:
    """Translate whatever goes wrong while the document `name` is read into a LakeError that names it."""
    try:
        yield
    except (ValueError, SettingError, RecursionError) as error:
        raise LakeError(
            f"{name} is damaged ({error}): restore this {kind} from a copy, or delete it and land again"
        ) from error


def stamped(instant: datetime) -> str:
    """Spell an instant in UTC, with microseconds only where it has some."""
    return utc(instant).isoformat().replace("+00:00", "Z")
