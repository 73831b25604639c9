"""The version of the data: a number that grows with every change of it."""

from __future__ import annotations

from typing import Literal

from database.connection import Connection
from database.queries import query

CHANNEL = "btcql_change"
Kind = Literal["load", "removal", "aggregates", "forecast", "backtest"]


def record_change(connection: Connection, symbol: str, kind: Kind) -> None:
    """Give the market its next version and tell the listeners, when the transaction commits.

    To be the last statement of the change's own transaction, for changes of one market take turns from here.
    """
    connection.execute(query("record_change"), {"symbol": symbol, "kind": kind})
