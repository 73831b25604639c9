"""The command line: Typer commands that wire the packages together, which import only when they run."""

from __future__ import annotations

import logging
import os
import signal
import sys
from importlib import import_module
from typing import Annotated

import typer

from btcql import __version__
from btcql.errors import BtcqlError

_COMMANDS = ("up", "data", "serve", "schedule", "database", "keys", "lake", "doctor", "backtest")
# Ctrl-C, a service manager, a closed terminal
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_INTERRUPTED = 130  # the exit code, as Typer has it too
_OLDEST, _NEWEST = (3, 11), (3, 13)
_told = False

app = typer.Typer(
    name="btcql",
    help="Bitcoin's price, its moving averages and its forecast, by GraphQL.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"btcql {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    *,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    """Take the options that stand before the command."""


class _Ended(KeyboardInterrupt):
    """A command is to end.

    Python, run by -m, takes KeyboardInterrupt itself for unhandled where text that it executes (a dataclass
    does) raised it, even if it is handled: it would end by SIGINT, whatever the exit code.
    """


def main() -> None:
    """Run a command; what btcql knows to be wrong becomes one line and exit code 1."""
    if not _OLDEST <= sys.version_info[:2] <= _NEWEST:
        sys.exit(f"btcql: Python {sys.version.split()[0]} does not do: install one from 3.11 to 3.13")
    for name in _COMMANDS:
        import_module(f"btcql.cli.{name}")
    # What psycopg warns of (a lost connection, one more try) is said where it matters, and once.
    logging.getLogger("psycopg").setLevel(logging.ERROR)
    try:
        for number in _ENDING:
            signal.signal(number, _interrupt)
        app()
    except _Ended:  # before Typer has come to the command, or after it
        sys.exit(_INTERRUPTED)
    except BtcqlError as error:
        typer.echo(f"btcql: {error}", err=True)
        sys.exit(1)


def is_ending() -> bool:
    """Return whether the command was told to end: what that raised may have been hidden by another error."""
    return _told


def interrupt_quietly(*_: object) -> None:
    """End the command, as a signal does, without a word."""
    global _told  # noqa: PLW0603 - a signal's handler has no other place
    _told = True
    raise _Ended


def _interrupt(*_: object) -> None:
    # Once is enough: a second Ctrl-C must not cut short the stopping of what was started.
    for number in _ENDING:
        signal.signal(number, signal.SIG_IGN)
    os.write(sys.stderr.fileno(), b"btcql: stopping\n")
    interrupt_quietly()
