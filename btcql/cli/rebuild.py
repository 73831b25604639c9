"""The database anew from the lake: beside the old one, then in its place."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace

from btcql.cli.pipeline import Pipeline
from btcql.cli.progress import Stages, stages
from btcql.errors import LakeError
from database.connection import connected
from database.rebuild import carried_over, create_beside, read_loaded, take_name
from database.retention import read_retention
from etl.prepare.month import month_inputs


def rebuild_database(running: Pipeline) -> Stages:
    """Make the database anew from the lake, beside the old one, which serves until it is whole.

    Raises LakeError where the old one has months that the lake has not: they would be lost.
    """
    with ExitStack() as turn, stages() as seen:
        turn.enter_context(running.turn())
        with connected(running.database_url) as connection:
            retention = read_retention(connection)
        _check_all_in_lake(running)
        beside = replace(running, database_url=create_beside(running.database_url))
        for symbol in running.lake.symbols():
            beside.load_market(symbol, seen)
        running.crew.dismiss()  # with its sessions
        with carried_over(running.database_url, beside.database_url):
            take_name(running.database_url, turn.close)
        if retention:
            seen.say(
                f"the policy that drops bars after {retention} is not carried over, and they are all there; "
                f"to set it again: SELECT add_retention_policy('scaled_candle', INTERVAL '{retention}')"
            )
    return seen


def _check_all_in_lake(running: Pipeline) -> None:
    for symbol, loaded in read_loaded(running.database_url).items():
        missing = sorted(loaded - month_inputs(running.lake, symbol).keys())
        if missing:
            raise LakeError(
                f"the database has bars of {symbol} in {len(missing)} months of which the lake "
                f"{running.settings.lake} has none, the first {missing[0]:%Y-%m}, and a rebuild would lose "
                "them: set BTCQL_LAKE to the lake that they were loaded from"
            )
