"""The command that refreshes every market, every day."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from btcql.cli import app, interrupt_quietly, is_ending
from btcql.errors import DatabaseUnavailableError, PipelineError
from btcql.rhythm import REFRESHED
from btcql.settings import Settings

if TYPE_CHECKING:
    from btcql.cli.pipeline import Pipeline
    from etl.notify import Address
    from etl.schedule import Schedule

# Looked at the clock at least this often: a machine may sleep, and cron or a person refresh.
_LOOK_SECONDS = 30
# For another schedule of this database to end, or for the database to come back.
_STANDBY_SECONDS = 5


@app.command(
    help=f"Refresh every market of the lake {REFRESHED}, and again after a failure; Ctrl-C stops it."
)
def schedule(
    *,
    check: Annotated[
        bool, typer.Option("--check", help="Only tell whether one runs and is on time: exit code 0 if so.")
    ] = False,
    once: Annotated[
        bool,
        typer.Option(
            "--once", help="Do what is due now and end: for cron and Kubernetes, to be called each hour."
        ),
    ] = False,
    until_stdin_ends: Annotated[bool, typer.Option(hidden=True)] = False,
) -> None:
    """Run the schedule, look whether one runs, or do what is due."""
    if check:
        _check(Settings.read())
        return
    if once:
        _do_what_is_due(Settings.read())
        return
    with suppress(KeyboardInterrupt):  # how a schedule is ended
        if until_stdin_ends:
            signal.signal(signal.SIGINT, interrupt_quietly)  # `up` says that it stops
            threading.Thread(target=_interrupt_with_stdin, daemon=True).start()
        _serve(Settings.read(), quiet=until_stdin_ends)


def _check(settings: Settings) -> None:
    from database.connection import connected
    from database.runs import check_schedule
    from database.server import opened

    with opened(settings) as url, connected(url) as connection:
        check_schedule(connection, datetime.now(UTC))
    typer.echo("a schedule runs and is on time")


def _serve(settings: Settings, *, quiet: bool) -> None:
    from btcql.cli.pipeline import pipeline
    from etl.notify import addresses

    notify = addresses(settings.notify)
    with pipeline(settings) as running:
        if not quiet:
            typer.echo(f"every market is refreshed {REFRESHED}; Ctrl-C stops it")
        _keep(running, notify)


def _do_what_is_due(settings: Settings) -> None:
    """Be the database's schedule for once; raises PipelineError if a market was not refreshed."""
    from btcql.cli.pipeline import pipeline
    from database.runs import read_failures, schedule_lock
    from etl.notify import addresses

    notify = addresses(settings.notify)
    with pipeline(settings) as running, schedule_lock(running.database_url) as lock:
        if not lock.take():
            raise PipelineError(
                "another schedule serves this database: it refreshes the markets, and not this one"
            )
        _daily(running, notify, lambda _: True).run(lock)
        failed = read_failures(lock.connection)
    if failed:
        told = "; ".join(f"{market} is tried again from {at:%Y-%m-%d %H:%M} UTC on" for market, at in failed)
        raise PipelineError(f"not every market could be refreshed: {told}")
    typer.echo("every market is up to date")


def _daily(running: Pipeline, notify: list[Address], wait: Callable[[float], bool]) -> Schedule:
    from btcql.cli.progress import console, describe, rows
    from etl.schedule import Schedule

    def refresh(market: str) -> int:
        seen = running.refresh(market)
        console.print(f"{market}: {describe(seen)}")
        return rows(seen)

    return Schedule(running.database_url, running.lake.symbols, refresh, running.now, wait, notify)


def _keep(running: Pipeline, notify: list[Address]) -> None:
    """Be the database's schedule, or stand by for the one that is."""
    from btcql.cli.progress import console
    from database.runs import schedule_lock

    def wait(seconds: float) -> bool:
        if not is_ending():
            time.sleep(min(max(seconds, 0), _LOOK_SECONDS))
        return is_ending()

    daily = _daily(running, notify, wait)
    said = False
    while not is_ending():
        try:
            with schedule_lock(running.database_url) as lock:
                if lock.take():
                    said = False
                    daily.run(lock)
                elif not said:
                    console.print("another schedule serves this database: standing by")
                    said = True
        except DatabaseUnavailableError as error:
            console.print(f"{error}: the schedule waits for it")
        wait(_STANDBY_SECONDS)


def _interrupt_with_stdin() -> None:
    # `up` holds the other end: should it be killed, its schedule does not stay behind. Read past Python's own
    # buffer, whose lock this thread would still hold when the process ends.
    while os.read(sys.stdin.fileno(), 1024):
        pass
    os.kill(os.getpid(), signal.SIGINT)
