"""The command that runs everything."""

from __future__ import annotations

import time
from contextlib import suppress
from http.client import HTTPException
from typing import TYPE_CHECKING, Annotated
from urllib.request import urlopen

import typer

from btcql.cli import app
from btcql.cli.data import BarLength, Market, Source
from btcql.cli.service import Service, service
from btcql.errors import BtcqlError, SourceError, SourceUnavailableError
from btcql.records import DEFAULT_SYMBOL, SYNTHETIC
from btcql.settings import Settings

if TYPE_CHECKING:
    from btcql.cli.archive import Selection
    from btcql.cli.pipeline import Pipeline
    from btcql.cli.progress import Stages

_START_SECONDS = 60
_WATCH_SECONDS = 1.0


@app.command()
def up(
    files: Annotated[
        list[str] | None,
        typer.Option("--import", metavar="FILE", help="Bars to start with, as for import; may be repeated."),
    ] = None,
    symbol: Market = None,
    source: Source = None,
    timeframe: BarLength = None,
) -> None:
    """Start everything: database, luigid, pipeline, forecast, API. Ctrl-C stops it all."""
    from btcql.cli.archive import Selection, Wanted
    from btcql.cli.pipeline import pipeline
    from btcql.cli.progress import console
    from btcql.cli.serve import require_free_port

    settings = Settings.read()
    wanted = Wanted(symbol, source, timeframe)
    selection = Selection.of(files, wanted) if files else None
    require_free_port(settings)
    if settings.notify:
        from etl.notify import addresses

        addresses(settings.notify)  # what is wrong with them is said before all else
    with pipeline(settings) as running, service("serve", **_visualiser(running)) as api:
        _await_health(settings, api)
        _fill(running, selection, symbol or DEFAULT_SYMBOL)
        address = _address(settings)
        console.print(f"API and playground  {address}/graphql\nPage                {address}/")
        console.print(f"Pipeline (luigid)   {running.luigid.visualiser_url}\nCtrl-C stops everything.")
        with suppress(KeyboardInterrupt), service("schedule") as daily:  # Ctrl-C is how `up` is ended
            _watch(running, api, daily)


def _fill(running: Pipeline, selection: Selection | None, symbol: str) -> None:
    """Bring in the files, or else what is new; a first time without any, real prices or made-up ones."""
    from btcql.cli.progress import console, describe, rows

    if selection:
        imported = running.import_archives(selection)
        if selection.archives:
            console.print(f"{selection.described()}: {describe(imported)}")
        if selection.refused:
            raise selection.refusal()
    else:
        for market in running.lake.symbols() or [symbol]:
            try:
                with running.recorded(market) as run:
                    seen = _current(running, market)
                    run.rows = rows(*seen)
                console.print(f"{market}: {describe(*seen)}")
            except SourceError as error:
                if not _has_real(running, market):
                    raise
                console.print(f"[bold yellow]not up to date[/]: {error}", soft_wrap=True)
    for market in running.lake.symbols():
        if not _has_real(running, market):
            console.print(
                f"[bold yellow]SYNTHETIC[/]: the prices of {market} are made up, to show the product. "
                "Real ones replace them: btcql import FILE, or btcql up with a connection",
                soft_wrap=True,
            )


def _current(running: Pipeline, market: str) -> list[Stages]:
    """Bring a market up to date; where it has no real prices and none can be had, with made-up ones."""
    from btcql.cli.progress import console

    if running.is_begun(market):
        return [running.refresh(market)]
    known = any(running.lake.walk(market))
    try:
        return running.begin(market)
    except SourceError as error:
        # an exchange that answers, and does not know the market, is a mistake to be told at once
        if _has_real(running, market) or not (known or isinstance(error, SourceUnavailableError)):
            raise
        console.print(f"[bold yellow]NO REAL PRICES[/]: {error}", soft_wrap=True)
        return [running.make_sample(market)]


def _has_real(running: Pipeline, market: str) -> bool:
    return any(partition.source != SYNTHETIC for partition in running.lake.walk(market))


def _await_health(settings: Settings, api: Service) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and api.ended() is None:
        try:
            with urlopen(f"{_address(settings)}/healthz", timeout=5):  # noqa: S310 - http by construction
                return
        except (OSError, HTTPException):
            time.sleep(0.1)
    raise BtcqlError(f"the API did not start at {_address(settings)}")


def _address(settings: Settings) -> str:
    # 0.0.0.0 and :: are addresses to listen on, not to go to.
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.host, settings.host)  # noqa: S104 - see above
    return f"http://{host}:{settings.port}"


def _visualiser(running: Pipeline) -> dict[str, str]:
    """Return what the API is to be told of luigid: the one that is used may be elsewhere than was set."""
    return {"BTCQL_LUIGID_HOST": running.luigid.host, "BTCQL_LUIGID_PORT": str(running.luigid.port)}


def _watch(running: Pipeline, api: Service, daily: Service) -> None:
    """Keep the services up until somebody stops them."""
    from btcql.cli.progress import console
    from database.server import EmbeddedServer

    server = None if running.settings.database_url else EmbeddedServer(running.settings)
    while api.ended() is None:
        time.sleep(_WATCH_SECONDS)
        if server:
            server.ensure_started()
        if not running.luigid.listens():
            running.luigid.ensure_started()
        code = daily.ended()
        if daily.revive():
            console.print(f"the schedule ended with exit code {code}, and was started again")
    raise BtcqlError(f"the API ended by itself with exit code {api.ended()}")
