"""A standby of an embedded server: a second server that repeats what the first one does."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from btcql.settings import Settings
from database.account import server_account
from database.roles import READER
from database.server import DATABASE, EmbeddedServer


@contextmanager
def standby(settings: Settings) -> Iterator[str]:
    """Yield the reader's address of a standby of the home's server, which runs."""
    programs = Path(settings.pg_bin)
    primary = EmbeddedServer(settings)
    folder = Path(tempfile.mkdtemp(prefix="btcql-"))  # short enough for a socket in it
    account = server_account(programs, folder, primary.folder)
    account.give(folder)
    data = folder / "data"

    def call(program: str, *arguments: str | Path) -> None:
        subprocess.run(
            [*account.prefix, programs / program, *arguments],
            check=True,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            timeout=120,
        )

    try:
        call("pg_basebackup", "--pgdata", data, "--dbname", primary.admin_url, "-R", "--checkpoint=fast")
        options = f"-k {folder} -c listen_addresses='' -c shared_buffers=32MB -c fsync=off"
        call("pg_ctl", "start", "-D", data, "-l", data / "log", "-s", "-w", "-o", options)
        try:
            yield f"postgresql://{READER}@/{DATABASE}?host={quote(str(folder), safe='')}"
        finally:
            call("pg_ctl", "stop", "-D", data, "-s", "-m", "immediate")
    finally:
        shutil.rmtree(folder)
