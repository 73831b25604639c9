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
    """Show the settings, the servers found, what runs, whether the database answers, and what is odd."""
    from database.binaries import find_installations
    from etl.luigid import Luigid

    settings = Settings.read()
    typer.echo(f"btcql {__version__} on Python {platform.python_version()}, {platform.platform()}\n")
    for variable, value, meaning in settings.described():
        typer.echo(f"{variable:<26} {value!r:<24} {meaning}")
    typer.echo("\nPostgreSQL found, the first is used for a new database:")
    for server in find_installations(settings.pg_bin):
        typer.echo(
            f"  {server.major} {'with' if server.timescaledb else 'without'} TimescaleDB: {server.bin}"
        )
    found = Luigid(settings).found()
    state = f"runs at {found.url} (process {found.pid})" if found else f"does not run in {settings.home}"
    typer.echo(f"\nluigid {state}\n")
    show_status(settings, warnings=True)
