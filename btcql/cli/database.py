"""Commands of the database."""

from __future__ import annotations

from typing import Annotated

import typer

from btcql.cli import app
from btcql.errors import SettingError
from btcql.settings import Settings

database = typer.Typer(no_args_is_help=True, help="The database: start, stop, roles, migrate, status.")
app.add_typer(database, name="db")

_DEFAULT_NAME = "btcql"


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
def roles() -> None:
    """Make the writer's and the reader's role, and the database, on a server of your own; again: no change.

    It needs BTCQL_ADMIN_URL, a superuser's address. The passwords are those in two files
    (BTCQL_WRITER_PASSWORD_FILE, BTCQL_READER_PASSWORD_FILE), which are made where they are missing. A
    database of the name in BTCQL_DATABASE_URL changes hands with all that is in its schema public.
    """
    from database.address import database_of, with_database, with_role
    from database.passwords import read_or_make
    from database.roles import READER, WRITER, provide_database

    settings = Settings.read()
    if not settings.admin_url:
        raise SettingError(
            "BTCQL_ADMIN_URL is not set: give the address of your server for its superuser; "
            "the embedded server has its roles by itself"
        )
    name = database_of(settings.database_url) or _DEFAULT_NAME
    files = {WRITER: settings.writer_password_file, READER: settings.reader_password_file}
    provide_database(settings.admin_url, name, {role: read_or_make(file) for role, file in files.items()})
    address = with_database(settings.admin_url, name)
    for variable, role in (("BTCQL_DATABASE_URL", WRITER), ("BTCQL_READER_URL", READER)):
        typer.echo(f"{variable}={with_role(address, role)}   with the password in {files[role]}")


@database.command()
def migrate(
    to: Annotated[
        int | None,
        typer.Option(
            min=1, help="Apply the migrations up to this number; by default all. None is ever undone."
        ),
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


def show_status(settings: Settings, *, warnings: bool = False) -> None:
    """Print what is known of the database, its warnings if asked; where there is none, looking makes none."""
    from database.connection import connected
    from database.quality import read_quality
    from database.server import EmbeddedServer, opened
    from database.status import read_status

    if not settings.database_url and not EmbeddedServer(settings).exists:
        typer.echo(f"no database yet in {settings.home}: btcql up, or btcql import, makes it")
        return
    with opened(settings) as url, connected(url) as connection:
        for name, value in read_status(connection) + (read_quality(connection) if warnings else []):
            typer.echo(f"{name:<20} {value}")


def _embedded() -> Settings:
    settings = Settings.read()
    if settings.database_url:
        raise SettingError("BTCQL_DATABASE_URL names a server of your own: btcql neither starts nor stops it")
    return settings
