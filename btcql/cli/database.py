"""Commands of the database."""

from __future__ import annotations

from typing import Annotated

import typer

from btcql.cli import app
from btcql.errors import SettingError
from btcql.settings import Settings

database = typer.Typer(no_args_is_help=True, help="The database: start, stop, migrate, status.")
app.add_typer(database, name="db")


@database.command()
def start() -> None:
    """Start the embedded database, to stay until `btcql db stop`."""
    from database.server import EmbeddedServer

    typer.echo(EmbeddedServer(_embedded()).start())


@database.command()
def stop() -> None:
    """Stop the embedded database."""
    from database.server import EmbeddedServer

    EmbeddedServer(_embedded()).stop()


@database.command()
def migrate(
    to: Annotated[
        int | None, typer.Option(min=1, help="Apply the migrations up to this number; by default all.")
    ] = None,
) -> None:
    """Apply the schema's pending migrations."""
    from database import migrate as migrations
    from database.server import opened

    with opened(Settings.read()) as url:
        names = migrations.migrate(url, to)
    typer.echo("\n".join(names) or "nothing to migrate")


@database.command()
def status() -> None:
    """Show the server, its edition, the migrations and the markets."""
    show_status(Settings.read())


def show_status(settings: Settings) -> None:
    """Print what is known of the database; where there is none, looking makes none."""
    from database.connection import connected
    from database.server import EmbeddedServer, opened
    from database.status import read_status

    if not settings.database_url and not EmbeddedServer(settings).exists:
        typer.echo(f"no database yet in {settings.home}: btcql up, or btcql import, makes it")
        return
    with opened(settings) as url, connected(url) as connection:
        for name, value in read_status(connection):
            typer.echo(f"{name:<20} {value}")


def _embedded() -> Settings:
    settings = Settings.read()
    if settings.database_url:
        raise SettingError("BTCQL_DATABASE_URL names a server of your own: btcql neither starts nor stops it")
    return settings
