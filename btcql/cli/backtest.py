"""The command that shows how the forecast would have done."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from btcql.cli import app
from btcql.cli.data import Symbol
from btcql.errors import ForecastError, SettingError
from btcql.records import DEFAULT_SYMBOL, check_symbol
from btcql.settings import Settings

if TYPE_CHECKING:
    from btcql.vintages import BacktestRecord
    from ml.backtest import Outcomes
    from ml.frame import DailyBars

_FIRST = date(2018, 1, 1)  # of BTC-USD: six years to learn from
_DAY = ["%Y-%m-%d"]


@app.command()
def backtest(
    symbol: Symbol = DEFAULT_SYMBOL,
    first: Annotated[
        datetime | None,
        typer.Option(
            "--from",
            formats=_DAY,
            metavar="YYYY-MM-DD",
            help=f"The first origin; by default {_FIRST}, or 400 days after the market's first.",
        ),
    ] = None,
    last: Annotated[
        datetime | None,
        typer.Option(
            "--to",
            formats=_DAY,
            metavar="YYYY-MM-DD",
            help="The last origin; by default the newest of which all 15 days are closed.",
        ),
    ] = None,
    every: Annotated[int, typer.Option(min=1, help="Days from one origin to the next.")] = 5,
) -> None:
    """Forecast from past days, each from its past alone, and report how that did against other methods."""
    from btcql.cli.pipeline import migrated
    from ml import report

    settings = Settings.read()
    with migrated(settings) as url:
        bars = _read_bars(url, check_symbol(symbol))
        start, end = _span(bars, first, last)
        made = report.Backtest(symbol, bars, every, _run(bars, start, end, every, settings.workers))
        folder = settings.home / "reports" / f"backtest-{symbol}"
        _publish(report.write(made), folder)
        record = report.record(made)
        _keep(url, symbol, record)
    typer.echo(
        f"{symbol}, {record.origins} origins: pinball {record.pinball_ratio:.4f} of the baseline's, the 80 % "
        f"band held {record.coverage80:.1%}, the 95 % band {record.coverage95:.1%}\n{folder / report.NAME}"
    )


def _span(bars: DailyBars, first: datetime | None, last: datetime | None) -> tuple[date, date]:
    from ml.backtest import last_origin
    from ml.vintage import FEWEST_DAYS

    earliest = max(_FIRST, bars.day[0].item() + timedelta(days=FEWEST_DAYS - 1))
    start, end = first.date() if first else earliest, last.date() if last else last_origin(bars)
    if end < start:
        raise SettingError(
            f"--from {start} is after --to {end}: give an earlier first or a later last origin"
        )
    return start, end


def _run(bars: DailyBars, start: date, end: date, every: int, processes: int) -> Outcomes:
    from btcql.cli.progress import counted
    from ml import rivals
    from ml.backtest import METHODS, origins, run

    days = origins(bars, start, end, every)
    methods = (*METHODS, rivals.ARIMA) if rivals.has_arima() else METHODS
    with counted("Backtest", len(days)) as progress:
        return run(bars, days, processes, progress, methods)


def _keep(url: str, symbol: str, record: BacktestRecord) -> None:
    from database.connection import connected
    from database.forecasts import write_backtest

    with connected(url) as connection:
        write_backtest(connection, symbol, record, datetime.now(UTC))


def _read_bars(url: str, symbol: str) -> DailyBars:
    from database.connection import connected
    from database.forecasts import read_daily_bars
    from ml.frame import DailyBars

    now = datetime.now(UTC)
    with connected(url) as connection:
        columns = read_daily_bars(connection, symbol, now.date(), now)
    if not columns.day:
        raise ForecastError(f"{symbol} has no closed day yet: btcql import FILE --symbol {symbol}")
    return DailyBars.of(*columns)


def _publish(files: dict[str, str], folder: Path) -> None:
    """Write the files, each whole or not at all; the page that shows the others comes last."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in reversed(files.items()):
        partial = folder / f".{name}.partial"
        partial.write_text(text, encoding="utf-8")
        partial.replace(folder / name)
