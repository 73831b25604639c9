"""The operating-system account of the embedded server: PostgreSQL refuses to run as root."""

from __future__ import annotations

import os
import pwd
import shutil
from dataclasses import dataclass
from pathlib import Path

from btcql.errors import SettingError

_OTHERS_MAY_SEARCH = 0o001


@dataclass(frozen=True)
class Account:
    """Who runs the server: `prefix` goes before its commands, `owner` is the uid and gid of its files."""

    prefix: tuple[str, ...] = ()
    owner: tuple[int, int] | None = None

    def give(self, folder: Path) -> None:
        """Make `folder` the account's own, closed to all others; SettingError if it is somebody else's."""
        uid = self.owner[0] if self.owner else os.geteuid()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if folder.is_symlink() or folder.stat().st_uid not in {uid, os.geteuid()}:
            raise SettingError(
                f"{str(folder)!r} belongs to another user, or points elsewhere: run btcql as that user, "
                "or set BTCQL_HOME to a folder of your own"
            )
        if self.owner is not None:
            os.chown(folder, *self.owner)
        folder.chmod(0o700)


def server_account(*folders: Path) -> Account:
    """Return the account for a server that must reach `folders`.

    An ordinary user runs it as itself. Root runs it as `postgres` or else `nobody`; where one of the folders
    lies below a closed one (root's own home, for instance), that process alone is given the capability to
    pass. Raises SettingError where root cannot change the account.
    """
    if os.geteuid() != 0:
        return Account()
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise SettingError(
            "PostgreSQL cannot run as root and setpriv (util-linux) is not here to change the account: "
            "run btcql as an ordinary user, or set BTCQL_DATABASE_URL"
        )
    entry = _find_account()
    prefix = [setpriv, f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}", "--clear-groups"]
    if not all(_reachable(folder) for folder in folders):
        prefix += ["--inh-caps=+dac_override", "--ambient-caps=+dac_override"]
    return Account((*prefix, "--"), (entry.pw_uid, entry.pw_gid))


def _find_account() -> pwd.struct_passwd:
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise SettingError("PostgreSQL cannot run as root and neither user postgres nor nobody exists: add one")


def _reachable(folder: Path) -> bool:
    return all(parent.stat().st_mode & _OTHERS_MAY_SEARCH for parent in folder.parents if parent.exists())
