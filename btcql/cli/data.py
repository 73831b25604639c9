"""Commands that move data: import, refresh, forecast."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from btcql.cli import app
from btcql.errors import SettingError
from btcql.records import DEFAULT_SYMBOL, Timeframe, check_symbol
from btcql.settings import Settings

Symbol = Annotated[str, typer.Option(help="The market, as BASE-QUOTE.")]
Source = Annotated[
    str | None, typer.Option(help="Where the bars come from, such as bitstamp; by default file:<name>.")
]
BarLength = Annotated[
    Timeframe | None, typer.Option(help="The bars' length; by default found by their spacing.")
]


@app.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(help="CSV: timestamp,open,high,low,close,volume; .gz too.")],
    symbol: Symbol = DEFAULT_SYMBOL,
    source: Source = None,
    timeframe: BarLength = None,
) -> None:
    """Bring a file of bars through the lake into the database, and forecast from them."""
    from btcql.cli.pipeline import Archive, describe, pipeline

    archive = Archive.named(file, symbol, source, timeframe)
    with pipeline(Settings.read()) as running:
        seen = running.import_archive(archive)
    typer.echo(f"{archive.file.name} as {archive.symbol} from {archive.source}: {describe(seen)}")


@app.command()
def refresh(symbol: Symbol = DEFAULT_SYMBOL) -> None:
    """Bring the database up to date with the lake, and forecast from it."""
    from btcql.cli.pipeline import describe, pipeline

    with pipeline(Settings.read()) as running:
        seen = running.refresh(check_symbol(symbol))
    typer.echo(f"{symbol}: {describe(seen)}")


@app.command()
def forecast(
    symbol: Symbol = DEFAULT_SYMBOL,
    as_of: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"],
            metavar="YYYY-MM-DD",
            help="Use no day after this one; by default yesterday.",
        ),
    ] = None,
) -> None:
    """Issue the forecast of the fifteen days after the last closed day; the same one again adds nothing."""
    from btcql.cli.pipeline import pipeline

    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    day = as_of.date() if as_of else yesterday
    if day > yesterday:
        raise SettingError(f"--as-of {day} has not ended yet: the newest day to forecast from is {yesterday}")
    with pipeline(Settings.read()) as running:
        based_on = running.forecast(check_symbol(symbol), day)
    typer.echo(f"{symbol}: the forecast based on the days up to {based_on} stands")
