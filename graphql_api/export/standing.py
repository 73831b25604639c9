"""How long a file stands, by the rules of answers (lifetime.py), and the tag it is asked for by again."""

from __future__ import annotations

from hashlib import sha256

from starlette.requests import Request

from btcql import __version__
from database.listener import DataState
from graphql_api.export.spool import Label
from graphql_api.export.tables import Table
from graphql_api.lifetime import FOREVER, cache_control, next_boundary


def address_of(request: Request) -> str:
    """Return the address with its parameters in an order of their own: the same file is asked for."""
    parameters = sorted(f"{name}={value}" for name, value in request.query_params.multi_items())
    return "\n".join((request.url.path, *parameters))


def tag(address: str, table: Table, version: int, now: int) -> str:
    """Return the ETag of the file of an address, made of this version of the data.

    The same bytes have the same tag: they follow from the data, the address, and, unless the range is
    closed, from where the clock stands between two of the instants that complete a day.
    """
    parts = [__version__, str(version), address, table.name]
    if not table.is_closed:
        parts.append(str(next_boundary(now)))
    digest = sha256("\n".join(parts).encode()).hexdigest()
    return f'"{digest[:32]}"'


def ends(table: Table, now: int) -> int:
    """Return until when (epoch microseconds) a file of the newest version has what it should."""
    return FOREVER if table.is_closed else next_boundary(now)


def standing(label: Label, state: DataState | None, now: int, *, shared: bool) -> str:
    """Return what caches are told of the file, which may be of an older version than `state`."""
    is_newest = state is not None and state.version == label.version and state.settled
    return cache_control(label.closed_until if is_newest else 0, now, shared=shared)
