"""Commands of the raw lake."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from btcql.cli import app
from btcql.errors import DatabaseUnavailableError, LakeError
from btcql.records import DEFAULT_SYMBOL, check_symbol
from btcql.settings import Settings

if TYPE_CHECKING:
    from etl.lineage import DayLineage, DayObject

lake = typer.Typer(no_args_is_help=True, help="The raw lake: ls, show, verify, repair.")
app.add_typer(lake, name="lake")


@lake.command("ls")
def list_partitions(symbol: Annotated[str | None, typer.Option(help="Only this market.")] = None) -> None:
    """List the partitions with their files, rows and reach."""
    from lake.store import Lake

    for manifest in Lake(Settings.read().lake).manifests(symbol):
        rows = sum(file.rows for file in manifest.files)
        through = f"{manifest.complete_through:%Y-%m-%d %H:%M}"
        files = f"{len(manifest.files)} files, {rows:,} rows, through {through}"
        typer.echo(f"{manifest.partition.folder}  {files}")


@lake.command()
def show(
    day: Annotated[datetime, typer.Argument(formats=["%Y-%m-%d"], metavar="YYYY-MM-DD")],
    symbol: Annotated[str, typer.Option(help="The market, as BASE-QUOTE.")] = DEFAULT_SYMBOL,
) -> None:
    """Show from which raw objects and requests a day's bars come, and whether the database has them."""
    from etl.lineage import day_lineage
    from lake.store import Lake

    settings = Settings.read()
    found = day_lineage(Lake(settings.lake), check_symbol(symbol), day.date())
    typer.echo(f"{symbol} {found.day}: {found.bars:,} bars of {found.timeframe} from {found.source}")
    for item in found.objects:
        _show_object(item)
    typer.echo(f"\n{_database_line(settings, found)}")


@lake.command()
def verify() -> None:
    """Read every file and compare it with its checksum."""
    from lake.store import Lake

    raw = Lake(Settings.read().lake)
    problems = raw.verify()
    if problems:
        raise LakeError("\n".join([f"{len(problems)} things are wrong in {raw.root}:", *problems]))
    typer.echo(f"{len(raw.partitions())} partitions are as they were published")


@lake.command()
def repair(
    copies: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[COPY]...", help="Copies of what was imported, or of the lake's own files."),
    ] = None,
) -> None:
    """Remake what is damaged or missing, to the same bytes, or say what must come again."""
    import tempfile

    from etl.repair import repair as repaired
    from lake.store import Lake

    raw = Lake(Settings.read().lake)
    with tempfile.TemporaryDirectory(prefix="btcql-") as folder:
        done = repaired(raw, copies or [], Path(folder))
    for name in done.restored:
        typer.echo(f"restored {raw.path(name)}")
    if done.left:
        raise LakeError("\n".join([f"{len(done.left)} files of {raw.root} are not whole:", *done.left]))
    if not done.restored:
        typer.echo(f"{raw.root} is whole: there was nothing to repair")


def _show_object(item: DayObject) -> None:
    from etl.lineage import described

    if item.in_force:
        said = f"{item.in_force:,} of its {item.held:,} bars of the day are in force"
    elif item.chosen:
        said = f"superseded: a later file has its {item.held:,} bars of the day"
    else:
        said = f"not chosen: other bars of the day are better than its {item.held:,}"
    typer.echo(f"\n{item.name}")
    typer.echo(f"  {said}")
    typer.echo(f"  sha256   {item.file.sha256}")
    typer.echo(f"  fetched  {item.file.fetched_at:%Y-%m-%d %H:%M:%S} UTC")
    typer.echo(f"  request  {described(item.file.request) or 'none was kept'}")


def _database_line(settings: Settings, found: DayLineage) -> str:
    """Say whether the database was loaded from this; one that does not run is not started for it."""
    from database.connection import connected
    from database.lineage import read_month_loaded
    from database.server import EmbeddedServer

    server = EmbeddedServer(settings)
    if not settings.database_url and not server.exists:
        return "database: none yet"
    try:
        with connected(settings.database_url or server.url) as connection:
            loaded = read_month_loaded(connection, found.symbol, found.day.replace(day=1))
    except DatabaseUnavailableError:
        return "database: it does not answer, so it was not asked (btcql db start starts it)"
    if loaded is None:
        return "database: this month was not loaded yet (btcql refresh loads it)"
    at = f"{loaded.loaded_at:%Y-%m-%d %H:%M:%S} UTC"
    if loaded.input_sha256 == found.input_sha256:
        return f"database: loaded from this at {at}"
    missing = [item.name for item in found.objects if item.in_force and item.name not in loaded.raw_objects]
    newer = f", without {', '.join(missing)}" if missing else ""
    return f"database: loaded at {at} from what the lake had then{newer} (btcql refresh brings it up to date)"
