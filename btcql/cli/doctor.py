"""The command that says what is there and what is not."""

from __future__ import annotations

import platform

import typer

from btcql import __version__
from btcql.cli import app
from btcql.cli.database import show_status
from btcql.settings import Settings


@app.command()
def doctor() -> None:
    """Show the settings in force, the servers found, whether the database answers, and what is odd in it."""
    from database.binaries import find_installations

    settings = Settings.read()
    typer.echo(f"btcql {__version__} on Python {platform.python_version()}, {platform.platform()}\n")
    for variable, value, meaning in settings.described():
        typer.echo(f"{variable:<26} {value!r:<24} {meaning}")
    typer.echo("\nPostgreSQL found, the first is used for a new database:")
    for found in find_installations(settings.pg_bin):
        typer.echo(f"  {found.major} {'with' if found.timescaledb else 'without'} TimescaleDB: {found.bin}")
    typer.echo("")
    show_status(settings, warnings=True)
