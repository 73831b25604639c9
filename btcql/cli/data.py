"""Commands that move data: import, ingest, refresh, forecast, rebuild."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from btcql.cli import app
from btcql.errors import SettingError
from btcql.records import DEFAULT_SOURCE, DEFAULT_SYMBOL, FIRST_DAY, Timeframe, check_symbol
from btcql.settings import Settings

Symbol = Annotated[str, typer.Option(help="The market, as BASE-QUOTE.")]
Market = Annotated[
    str | None,
    typer.Option(help="The market, as BASE-QUOTE; by default what the file tells, else BTC-USD."),
]
Source = Annotated[
    str | None,
    typer.Option(
        help="Where the bars come from, such as bitstamp; by default what the file tells, else file:<name>."
    ),
]
BarLength = Annotated[
    Timeframe | None,
    typer.Option(
        help="The bars' length; by default what the file's name tells, else found by their spacing."
    ),
]


@app.command("import")
def import_files(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE", help="Files of bars, a folder of them, or a pattern: 'BTCUSDT-1m-*.zip'."
        ),
    ],
    symbol: Market = None,
    source: Source = None,
    timeframe: BarLength = None,
) -> None:
    """Bring files of bars through the lake into the database, and forecast from them.

    Taken are CSV and Parquet with the columns timestamp, open, high, low,
    close, volume (a time or an epoch in s, ms or us), Binance's klines,
    Kaggle's Bitstamp minutes and CryptoDataDownload; .gz, and .zip with one
    CSV file in it. Files go in the order of their names; a bad one is
    refused, by its line, and stops no other. The same again changes nothing.
    """
    from btcql.cli.archive import Selection, Wanted
    from btcql.cli.pipeline import pipeline
    from btcql.cli.progress import describe

    selection = Selection.of(files, Wanted(symbol, source, timeframe))
    with pipeline(Settings.read()) as running:
        seen = running.import_archives(selection)
    if selection.archives:
        typer.echo(f"{selection.described()}: {describe(seen)}")
    if selection.refused:
        raise selection.refusal()


@app.command()
def ingest(
    source: Annotated[
        str, typer.Option(help="The exchange: bitstamp, coinbase, kraken or binance.")
    ] = DEFAULT_SOURCE,
    symbol: Symbol = DEFAULT_SYMBOL,
    first: Annotated[
        datetime | None,
        typer.Option(
            "--from",
            formats=["%Y-%m-%d"],
            metavar="YYYY-MM-DD",
            help=f"The first day; by default {FIRST_DAY}, or the market's first.",
        ),
    ] = None,
    last: Annotated[
        datetime | None,
        typer.Option(
            "--to", formats=["%Y-%m-%d"], metavar="YYYY-MM-DD", help="The last day; by default yesterday."
        ),
    ] = None,
    timeframe: Annotated[Timeframe, typer.Option(help="The bars' length.")] = Timeframe.HOUR,
) -> None:
    """Fetch an exchange's bars, month by month, from where it stopped; then as refresh does."""
    from btcql.cli.fetch import Order
    from btcql.cli.pipeline import pipeline
    from btcql.cli.progress import describe, rows
    from etl.backfill import Series
    from etl.sources.venue import venue

    series = Series(venue(source).name, check_symbol(symbol), timeframe)
    since = first.date() if first else FIRST_DAY
    day = (last or datetime.now(UTC)).date()
    if day < since:
        raise SettingError(f"--from {since} is after --to {day}: give the earlier day first")
    with pipeline(Settings.read()) as running, running.recorded(symbol, "import") as run:
        running.require_reachable(series.source)  # the exchange's own patience is for one that answers
        seen = running.ingest(Order(series, since, day))
        run.rows = rows(seen)
    typer.echo(f"{symbol} from {source}: {describe(seen)}")


@app.command()
def refresh(symbol: Symbol = DEFAULT_SYMBOL) -> None:
    """Fetch what is new from the market's exchanges, bring the database up to date, and forecast."""
    from btcql.cli.pipeline import pipeline
    from btcql.cli.progress import describe, rows

    with pipeline(Settings.read()) as running, running.recorded(check_symbol(symbol)) as run:
        seen = running.refresh(symbol)
        run.rows = rows(seen)
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


@app.command()
def rebuild() -> None:
    """Make the database anew from the lake alone; the old one serves until the new one is whole."""
    from btcql.cli.pipeline import pipeline
    from btcql.cli.progress import describe
    from btcql.cli.rebuild import rebuild_database
    from database.server import opened

    # The old database is not migrated: it may be one that cannot be any more, for which this is the way out.
    with pipeline(Settings.read(), opened) as running:
        seen = rebuild_database(running)
    typer.echo(f"the database is made anew from the lake: {describe(seen)}")
