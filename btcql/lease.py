"""A service shared by every btcql of one home: whoever leaves last stops it."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from btcql.errors import SettingError


class Lease:
    """This process's part in using a service."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file

    def is_last(self) -> bool:
        """Return whether nobody else uses the service; if so, none can begin to until the lease ends."""
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


@contextmanager
def leased(folder: Path) -> Iterator[Lease]:
    """Use the service that lives in `folder`; waits while its last user is stopping it.

    The kernel ends a killed process's lease, so that no count of users can be left wrong. Raises SettingError
    if the folder cannot be written.
    """
    with opened_lock(folder, "users.lock") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        yield Lease(file)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold the service's start to oneself."""
    with opened_lock(folder, "start.lock") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def opened_lock(folder: Path, name: str) -> Iterator[IO[str]]:
    """Yield the folder's lock file `name`, made where it is missing; SettingError if it cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / name).open("a")
    except OSError as error:
        raise SettingError(
            f"{str(folder)!r} cannot be written ({error.strerror}): set BTCQL_HOME to a folder of your own"
        ) from error
    with file:
        yield file
