"""Commands of the API's keys."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from btcql.access import SCOPES, UNLIMITED, parse_rate, parse_scopes
from btcql.cli import app
from btcql.errors import SettingError
from btcql.settings import Settings

if TYPE_CHECKING:
    from datetime import datetime

    from database.connection import Connection
    from database.keys import ApiKey

keys = typer.Typer(no_args_is_help=True, help="The API's keys: create, list, revoke.")
app.add_typer(keys, name="keys")

_READS = "prices,forecasts,pipeline"


@keys.command()
def create(
    name: Annotated[str, typer.Option(help="Whose key it is; no other key in use may have the name.")],
    scopes: Annotated[str, typer.Option(help=f"What it may do, by commas: {', '.join(SCOPES)}.")] = _READS,
    rate: Annotated[
        str, typer.Option(help=f"The cost it may ask for in a minute, or {UNLIMITED}.")
    ] = "600000",
) -> None:
    """Make a key and print it, this once: nobody can show it again."""
    from database.keys import create_key

    allowed = parse_scopes(scopes, "--scopes")
    if not allowed:
        raise SettingError(f"--scopes: a key without any can do nothing; the scopes are {', '.join(SCOPES)}")
    limit = parse_rate(rate, "--rate")
    with _database() as connection:
        key, secret = create_key(connection, name, allowed, limit)
    typer.echo(f"{_described(key)}\nIt is not shown again:", err=True)
    typer.echo(secret)  # alone on its stream, so that it can be piped


@keys.command("list")
def list_keys() -> None:
    """Show every key without its secret: what it begins with, what it may do, and when it was used last."""
    from database.keys import read_keys

    with _database() as connection:
        found = read_keys(connection)
    typer.echo("\n".join(map(_described, found)) or "no keys: btcql keys create --name NAME makes one")


@keys.command()
def revoke(
    name: Annotated[str, typer.Argument(help="The key's name, or what it begins with (btcql_1a2b3c4d).")],
) -> None:
    """Take a key out of use, within a second; its name is free again."""
    from database.keys import revoke_key

    with _database() as connection:
        typer.echo(_described(revoke_key(connection, name)))


@contextmanager
def _database() -> Iterator[Connection]:
    from database.connection import connected
    from database.migrate import migrate
    from database.server import opened

    with opened(Settings.read()) as url:
        migrate(url)  # without a word: what is printed may be piped
        with connected(url) as connection:
            yield connection


def _described(key: ApiKey) -> str:
    rate = UNLIMITED if key.rate is None else f"{key.rate} a minute"
    told = f"{key.prefix}  {key.name}  {','.join(key.scopes)}  {rate}  created {_minute(key.created_at)}"
    used = _minute(key.last_used_at) if key.last_used_at else "never"
    return f"{told}  used {used}" + (f"  REVOKED {_minute(key.revoked_at)}" if key.revoked_at else "")


def _minute(instant: datetime) -> str:
    return f"{instant:%Y-%m-%dT%H:%MZ}"
