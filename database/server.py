"""The embedded PostgreSQL: private to one home, shared by every btcql of that home, stopped by the last."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import psutil
import psycopg

from btcql.errors import DatabaseError, DatabaseUnavailableError, SettingError
from btcql.lease import alone, leased
from btcql.masking import without_password
from btcql.settings import Settings
from database.account import Account, server_account
from database.address import with_database, with_role
from database.binaries import Installation, find_installations
from database.roles import READER, WRITER, provide_database

DATABASE = "btcql"
SUPERUSER = "btcql"
_SOCKET_PATH_LIMIT = 100  # the kernel's is 107 bytes, with the name of the socket in it
_START_SECONDS = 60
_PARAMETERS = {
    "listen_addresses": "",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "jit": "off",
}
_TIMESCALEDB_PARAMETERS = {
    "shared_preload_libraries": "timescaledb",
    "timescaledb.telemetry_level": "off",
    "max_worker_processes": "16",
}


class EmbeddedServer:
    """The server of one home; nothing is created or started before `running` is entered."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.folder = settings.home / "pg"
        self.data = self.folder / "data"
        self.log = self.folder / "server.log"
        self._keep = self.folder / "keep"
        self._origin = self.folder / "origin.json"

    @property
    def exists(self) -> bool:
        """Whether a database was made in this home."""
        return (self.data / "PG_VERSION").exists()

    @property
    def url(self) -> str:
        """The address of the server's database, for the writer that owns it."""
        return with_role(self.admin_url, WRITER)

    @property
    def reader_url(self) -> str:
        """The address of the server's database, for those who only read."""
        return with_role(self.admin_url, READER)

    @property
    def admin_url(self) -> str:
        """The address of the server's database, for its superuser: to back up and restore."""
        return f"postgresql://{SUPERUSER}@/{DATABASE}?host={quote(str(self._sockets), safe='')}"

    @contextmanager
    def running(self) -> Iterator[str]:
        """Start the server unless it runs, yield its address, and stop it if nobody else uses it.

        Raises SettingError if the home cannot be written, DatabaseError if the server does not start.
        """
        with leased(self.folder) as lease:
            try:
                self.ensure_started()
                yield self.url
            finally:
                if not self._keep.exists() and lease.is_last():
                    self._stop()

    def start(self) -> str:
        """Start the server to stay until `stop`, and return its address."""
        with self.running() as url:
            self._keep.touch()
            return url

    def stop(self) -> None:
        """Stop the server; raises DatabaseError while another btcql uses it."""
        with leased(self.folder) as lease:
            if not lease.is_last():
                raise DatabaseError(f"another btcql uses the database in {self.folder}: stop that one first")
            self._keep.unlink(missing_ok=True)
            self._stop()

    def ensure_started(self) -> None:
        """Bring the server up unless it answers; two that do so at once start it once."""
        with alone(self.folder):
            if not (self._answers() or self._comes_up()):
                self._start()
            provide_database(with_database(self.admin_url, "postgres"), DATABASE)

    @property
    def _sockets(self) -> Path:
        inside = self.folder / "run"
        if len(os.fsencode(inside)) < _SOCKET_PATH_LIMIT - len("/.s.PGSQL.5432"):
            return inside
        name = hashlib.sha256(os.fsencode(inside)).hexdigest()[:16]
        # Not the environment's TMPDIR: every btcql of this home must find it.
        return Path("/tmp") / f"btcql-{os.geteuid()}-{name}"  # noqa: S108 - its owner is checked

    def _answers(self) -> bool:
        try:
            with psycopg.connect(self.admin_url, dbname="postgres", connect_timeout=5):
                return True
        except psycopg.OperationalError:
            return False

    def _start(self) -> None:
        installation = self._choose_installation()
        account = server_account(installation.bin, self.folder)
        account.give(self.folder)
        account.give(self._sockets)
        self._remove_stale_locks()
        if not self.exists:
            self._initialise(installation, account)
        parameters = dict(_PARAMETERS)
        if installation.timescaledb:
            parameters |= _TIMESCALEDB_PARAMETERS
            parameters["timescaledb.license"] = self._settings.timescaledb_license
        options = [f"-k {shlex.quote(str(self._sockets))}"]
        options += [f"-c {name}={shlex.quote(value)}" for name, value in parameters.items()]
        self._run(
            account,
            *(installation.bin / "pg_ctl", "start", "-D", self.data, "-l", self.log, "-s", "-w"),
            *("-t", str(_START_SECONDS), "-o", " ".join(options)),
        )

    def _choose_installation(self) -> Installation:
        found = find_installations(self._settings.pg_bin)
        if not self._origin.exists():
            return found[0]
        # The files of one major version, or of TimescaleDB, are of no use to a server without them.
        origin = json.loads(self._origin.read_text())
        for installation in found:
            if installation.major == origin["major"] and (
                installation.timescaledb or not origin["timescaledb"]
            ):
                return installation
        what = f"PostgreSQL {origin['major']}{' with TimescaleDB' if origin['timescaledb'] else ''}"
        raise DatabaseError(
            f"the database in {self.folder} was made by {what}, which is not installed any more: "
            "install it again, or move that folder away and import anew"
        )

    def _initialise(self, installation: Installation, account: Account) -> None:
        # Made beside its place and renamed, so that an interrupted initdb leaves nothing that looks whole.
        fresh = self.folder / "data.new"
        self._run(account, "rm", "-rf", fresh, self.data)
        self._run(
            account,
            *(installation.bin / "initdb", "-D", fresh, "-U", SUPERUSER, "--auth=trust"),
            *("--encoding=UTF8", "--locale=C", "--no-instructions"),
        )
        origin = json.dumps({"major": installation.major, "timescaledb": installation.timescaledb})
        written = self._origin.with_suffix(".new")
        written.write_text(origin)
        written.rename(self._origin)
        fresh.rename(self.data)

    def _comes_up(self) -> bool:
        """Wait while a server is starting or stopping here, and return whether one answers then.

        Of a killed btcql, or backends that outlive a killed server.
        """
        deadline = time.monotonic() + _START_SECONDS
        while any(self._works_here(process) for process in psutil.process_iter()):
            if self._answers():
                return True
            if time.monotonic() > deadline:
                raise DatabaseError(f"a server of {self.data} neither answers nor ends: see {self.log}")
            time.sleep(0.1)
        return False

    def _remove_stale_locks(self) -> None:
        """Remove the lock files of a dead server whose process number is in use again.

        PostgreSQL itself handles the number of nobody; a stranger's, or a zombie's, it takes for a rival.
        """
        for lock in (self.data / "postmaster.pid", self._sockets / ".s.PGSQL.5432.lock"):
            lock.unlink(missing_ok=True)

    def _works_here(self, process: psutil.Process) -> bool:
        try:
            return (
                process.name() == "postgres"  # a person's shell may be here too
                and process.cwd() == str(self.data.resolve())
                and process.status() != psutil.STATUS_ZOMBIE
            )
        except psutil.Error:
            return False

    def _stop(self) -> None:
        if not (self.data / "postmaster.pid").exists():
            return
        installation = self._choose_installation()
        account = server_account(installation.bin, self.folder)
        own = [process for process in psutil.process_iter() if self._works_here(process)]
        self._run(account, installation.bin / "pg_ctl", "stop", "-D", self.data, "-s", "-m", "fast", "-w")
        while any(map(self._works_here, own)):  # its lock file goes a moment before it
            time.sleep(0.01)
        if self._sockets.parent != self.folder:
            self._sockets.rmdir()

    def _run(self, account: Account, *command: str | Path) -> None:
        # Output goes to a file: the server would hold a pipe open for as long as it runs.
        with tempfile.TemporaryFile() as output:
            process = subprocess.Popen(
                [*account.prefix, *command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd="/",
                start_new_session=True,
            )
            try:
                process.wait()
            except BaseException:
                # Ctrl-C now: a server that is half started cannot be stopped yet.
                process.wait()
                raise
            output.seek(0)
            said = output.read().decode(errors="replace").strip()
        if process.returncode:
            raise DatabaseError(
                f"PostgreSQL's {Path(command[0]).name} failed: {said or process.returncode} (log: {self.log})"
            )


@contextmanager
def opened(settings: Settings) -> Iterator[str]:
    """Yield the writer's address of the database: the one set, if it answers, else the embedded server's."""
    if not settings.database_url:
        with EmbeddedServer(settings).running() as url:
            yield url
        return
    shown = without_password(settings.database_url)
    try:
        with psycopg.connect(settings.database_url, connect_timeout=5):
            pass
    except psycopg.ProgrammingError:
        # Its text would quote from the address, which may hold a password.
        raise SettingError(f"BTCQL_DATABASE_URL={shown!r} is not an address of PostgreSQL") from None
    except psycopg.Error as error:
        raise DatabaseUnavailableError(
            f"the database at {shown} does not answer ({str(error).strip().splitlines()[-1]}): "
            "check BTCQL_DATABASE_URL"
        ) from error
    yield settings.database_url


def reader_url(settings: Settings) -> str:
    """Return the address for those who only read, whether or not the database runs."""
    return settings.reader_url or settings.database_url or EmbeddedServer(settings).reader_url
