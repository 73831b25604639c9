"""Commands of the raw lake."""

from __future__ import annotations

from typing import Annotated

import typer

from btcql.cli import app
from btcql.errors import LakeError
from btcql.settings import Settings

lake = typer.Typer(no_args_is_help=True, help="The raw lake: ls, verify.")
app.add_typer(lake, name="lake")


@lake.command("ls")
def list_partitions(symbol: Annotated[str | None, typer.Option(help="Only this market.")] = None) -> None:
    """List the partitions with their files, rows and reach."""
    from lake.store import Lake

    raw = Lake(Settings.read().lake)
    for partition in raw.partitions(symbol):
        manifest = raw.manifest(partition)
        if manifest:
            rows = sum(file.rows for file in manifest.files)
            through = f"{manifest.complete_through:%Y-%m-%d %H:%M}"
            typer.echo(f"{partition.folder}  {len(manifest.files)} files, {rows:,} rows, through {through}")


@lake.command()
def verify() -> None:
    """Read every file and compare it with its checksum."""
    from lake.store import Lake

    raw = Lake(Settings.read().lake)
    problems = raw.verify()
    if problems:
        raise LakeError("\n".join([f"{len(problems)} things are wrong in {raw.root}:", *problems]))
    typer.echo(f"{len(raw.partitions())} partitions are as they were published")
