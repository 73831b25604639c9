"""Passwords in files: read where there is one, made where there is none, shown nowhere."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path

from btcql.errors import SettingError


def read_or_make(file: Path) -> str:
    """Return the password in `file`; a missing file is made with a new one, closed to all but its owner.

    Two who make it at once agree on one. Raises SettingError if the file is empty or cannot be read or made.
    """
    try:
        if not file.exists():
            _make(file)
        password = file.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise SettingError(
            f"{str(file)!r} cannot hold a password ({error.strerror}): name another"
        ) from error
    if not password:
        raise SettingError(f"{str(file)!r} is empty: put a password into it, or remove it to have one made")
    return password


def _make(file: Path) -> None:
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    written = file.with_name(f"{file.name}.{os.getpid()}.new")
    descriptor = os.open(written, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as new:
            new.write(secrets.token_urlsafe(32))
            new.flush()
            os.fsync(new.fileno())
        # A link, for unlike a renaming it takes nobody's place.
        with suppress(FileExistsError):
            file.hardlink_to(written)
    finally:
        written.unlink()
