"""What a commit made, brought to this version: does it give the same answers?

It installs the commit beside this version, imports files with it, forecasts, and asks its API; then this
version migrates the same home and is asked the same, and once more after a rebuild from the commit's lake.

    python -m tests.upgrade 59828d3                          # every edition that this machine has
    python -m tests.upgrade 59828d3 --edition plain --freeze # keeps what it left as the fixture of the tests
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer

from database.connection import connected
from database.server import opened
from tests.conftest import EDITIONS, installation_of, settings_of
from tests.upgrade.files import AS_OF, write_files
from tests.upgrade.frozen import TABLES, Frozen, read_lake, read_table
from tests.upgrade.questions import QUESTIONS, answers, differing
from tests.upgrade.versions import Version, environment_of, install


def main(
    commit: str,
    edition: Annotated[list[str] | None, typer.Option(help="again for another; default: all")] = None,
    freeze: Annotated[bool, typer.Option(help="keep what it left beside the tests")] = False,
) -> None:
    """Bring what the commit made to this version, on each edition, and compare the answers."""
    with tempfile.TemporaryDirectory(prefix="btcql-upgrade-") as folder:
        old = install(commit, Path(folder))
        wrong = 0
        for name in edition or [name for name in EDITIONS if installation_of(name)]:
            wrong += upgrade(commit, old, Path(folder) / name, name, freeze=freeze)
    raise SystemExit(wrong > 0)


def upgrade(commit: str, python: Path, folder: Path, edition: str, *, freeze: bool) -> int:
    """Make, migrate and rebuild a home in the folder; return how many answers differ."""
    folder.mkdir()
    environment = environment_of(folder / "home", edition)
    old, new = (Version(at, environment) for at in (python, Path(sys.executable)))
    make(old, folder)
    with old.serving() as ask:
        before = answers(ask)
    if freeze:
        keep(commit, folder / "home", edition, before)
    migrated = new.run("db", "migrate").split()
    with new.serving() as ask:
        after = answers(ask)
    wrong = show(f"{edition}, after {len(migrated)} migrations", before, after)
    typer.echo(new.run("lake", "verify").strip())
    new.run("rebuild")
    with new.serving() as ask:
        after = answers(ask)
    wrong += show(f"{edition}, after a rebuild from the lake", before, after)
    new.run("db", "stop")
    return wrong


def make(old: Version, folder: Path) -> None:
    """Fill a home as its owner did: files one after the other, a forecast as of a day, another after it."""
    old.run("db", "start")
    for file, symbol in write_files(folder):
        old.run("import", file, "--symbol", symbol, "--source", "bitstamp")
        if file.name == "days.csv":
            old.run("forecast", "--symbol", symbol, "--as-of", AS_OF)


def keep(commit: str, home: Path, edition: str, before: dict[str, Any]) -> None:
    """Write the commit's tables, lake and answers beside the tests."""
    with opened(settings_of(edition, home)) as url, connected(url) as connection:
        tables = {name: read_table(connection, name) for name in TABLES}
    Frozen(tables, read_lake(home / "lake"), before).write(Path(__file__).with_name(f"{commit}.txt"))


def show(what: str, before: dict[str, Any], after: dict[str, Any]) -> int:
    """Print how many answers are equal, and where the others differ; return how many those are."""
    found = differing(before, after)
    typer.echo(f"{what}: {len(QUESTIONS) - len(found)} of {len(QUESTIONS)} answers are equal")
    for name, places in found.items():
        typer.echo(f"  {name}: {'; '.join(places[:5])}")
    return len(found)


if __name__ == "__main__":
    typer.run(main)
