"""What people are to be told of the pipeline: each thing once, when it changes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from database.connection import Connection
from database.queries import query


@dataclass(frozen=True)
class Event:
    """Something to tell; `delivered_to` holds the digests of the addresses that have been told."""

    event_id: int
    market: str
    kind: str
    at: datetime
    message: str
    delivered_to: list[str]
    tries: int


def write_outcome(connection: Connection, market: str, at: datetime, error: str | None) -> None:
    """Note the outcome of a refresh, if the one before it was another: an error, or None for a success."""
    failing = "failed" in _standing(connection, market)
    if error is not None and not failing:
        _write(connection, market, "failed", at, f"the refresh of {market} failed: {error}")
    elif error is None and failing:
        _write(connection, market, "recovered", at, f"the refresh of {market} succeeds again")


def write_freshness(
    connection: Connection, market: str, at: datetime, through: datetime, due: datetime
) -> None:
    """Note whether bars up to `due` are there, if that has changed: they end at `through`.

    Nothing is said of a market whose refresh fails: that has been told.
    """
    standing = _standing(connection, market)
    end = f"{through:%Y-%m-%d %H:%M} UTC"
    if through < due and not standing & {"stale", "failed"}:
        _write(connection, market, "stale", at, f"{market} is stale: its bars end at {end}")
    elif through >= due and "stale" in standing:
        _write(connection, market, "fresh", at, f"{market} is up to date again: its bars end at {end}")


def read_untold(connection: Connection, at: datetime) -> list[Event]:
    """Return what is to be told by now, oldest first."""
    return [Event(*row) for row in connection.execute(query("read_untold_events"), [at])]


def write_telling(
    connection: Connection, event: Event, delivered_to: list[str], retry_at: datetime | None
) -> None:
    """Record a try to tell; `retry_at` None: no other is needed."""
    parameters = {"event_id": event.event_id, "delivered_to": delivered_to, "retry_at": retry_at}
    connection.execute(query("write_telling"), parameters)


def read_next_telling(connection: Connection) -> datetime | None:
    """Return when the next event is to be told; None: all have been."""
    row = connection.execute(query("read_next_telling")).fetchone()
    assert row is not None
    at: datetime | None = row[0]
    return at


def read_followed(connection: Connection) -> list[tuple[str, datetime]]:
    """Return each market that a refresh goes on with, for it is not of imported files alone, and its end."""
    return connection.execute(query("read_followed")).fetchall()


def note_imported(connection: Connection, market: str) -> None:
    """Note of a market that it is of imported files alone: `read_followed` cannot tell it of older loads."""
    connection.execute(query("note_imported"), [market])


def _standing(connection: Connection, market: str) -> set[str]:
    return {kind for (kind,) in connection.execute(query("read_standing"), [market])}


def _write(connection: Connection, market: str, kind: str, at: datetime, message: str) -> None:
    parameters = {"market": market, "kind": kind, "at": at, "message": message}
    connection.execute(query("write_event"), parameters)
