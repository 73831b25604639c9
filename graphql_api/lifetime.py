"""How long an answer stands.

An answer is made of one version of the data, and stands while that is the newest, but no longer than:

closed ranges of complete bars      no other bound: only a new version can change them
anything else ("open")              the next 00:35 or 01:05 UTC, when the clock alone completes a day or makes
                                    a market stale
`ageSeconds`                        a second, which is as exact as it is
`pipeline`, `nextRefreshAt`         not at all: runs and plans are not of the data's version
anything, while the aggregates      a second: the two come by transactions of their own on TimescaleDB
of a load are being refreshed       Community

Caches of others (Cache-Control) are not told of a new version. So they ask each time whether theirs still is
the answer (`no-cache`: a 304 says so, by the ETag), for a load or an import may come at any time. Only closed
ranges of markets that are neither made up nor stale may be kept unasked, for an hour: what changes those is a
correction of the past, which is seen that late, and no later (so there is no stale-while-revalidate).
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from graphql import GraphQLObjectType, GraphQLSchema

from btcql import calendar
from database.listener import DataState
from database.readers.markets import MarketFacts
from graphql_api.inputs import RangeInput
from graphql_api.ranges import Span

_SECOND = 1_000_000
FOREVER = 2**62  # epoch microseconds
_BOUNDARIES = (calendar.SETTLING, calendar.OVERDUE)  # of a day, ascending
_CLOSED_SECONDS = 3_600
_UNSETTLED = _SECOND
_SHORT = {"ageSeconds": _SECOND, "pipeline": 0, "nextRefreshAt": 0}
# The fields of Query and Market that may be closed; any other, and introspection, is open.
_CLOSABLE = {
    "market",
    "symbol",
    "base",
    "quote",
    "price",
    "movement",
    "candles",
    "movingAverage",
    "__typename",
}


class Lifetime(NamedTuple):
    """Until when (epoch microseconds) an answer of the newest version stands.

    closed_until: when it stops being one that others may keep unasked; 0 if it never was.
    """

    ends: int
    closed_until: int = 0


class Extent:
    """What the resolvers of one answer found out: how often they read, and whether all was closed.

    facts: what they know of markets; remembered: how often from before, and not by a read; made_up: the
    symbols of markets that are; steady_until: when the first market becomes stale, 0 with a made-up one.
    """

    __slots__ = ("_told", "_versions", "facts", "is_closed", "made_up", "reads", "remembered", "steady_until")

    def __init__(self) -> None:
        self.reads = self.remembered = 0
        self.is_closed = True
        self.facts: dict[str, MarketFacts] = {}
        self.made_up: set[str] = set()
        self.steady_until = FOREVER
        self._told, self._versions = 0, set[int]()

    def note_version(self, version: int) -> None:
        """Take in of which version of the data a read was."""
        self._told += 1
        self._versions.add(version)

    def is_known_as(self, version: int | None) -> bool:
        """Return whether every read told its version, and it was this one."""
        return self._told == self.reads and self._versions <= {version}

    def note_market(self, facts: MarketFacts) -> None:
        """Take in what a market is now: real bars may have taken the place of made-up ones."""
        if facts.synthetic:
            self.made_up.add(facts.symbol)
            self.steady_until = 0
        else:
            self.made_up.discard(facts.symbol)
            self.steady_until = min(self.steady_until, calendar.overdue_at(facts.through))

    def note_range(self, asked: RangeInput, span: Span) -> None:
        """Take in that `span` answers `asked`: closed, if it was given by its ends and is there whole."""
        if span.clamped or (asked.days is None and asked.instants is None):
            self.is_closed = False

    def note_open(self) -> None:
        """Take in that something was read which the next bar may change."""
        self.is_closed = False


class Rules:
    """The rules above, for the fields of a schema."""

    def __init__(self, schema: GraphQLSchema) -> None:
        found: set[str] = {"__schema", "__type"}
        for name in ("Query", "Market"):
            kind = schema.get_type(name)
            assert isinstance(kind, GraphQLObjectType)
            found |= set(kind.fields)
        self._opening = found - _CLOSABLE

    def read(self, words: Collection[str], extent: Extent, state: DataState | None, now: int) -> Lifetime:
        """Return the lifetime of the answer to a document of these words, made at the instant `now`.

        Each of its fields is among them: a word more can only make the answer stand for less. `state` is that
        of the answer's version, None if it is not known.
        """
        bounds = [now + stands for word, stands in _SHORT.items() if word in words]
        if state is None or not state.settled:
            return Lifetime(min([now + _UNSETTLED, *bounds]))
        if extent.is_closed and not bounds and self._opening.isdisjoint(words):
            return Lifetime(FOREVER, extent.steady_until)
        return Lifetime(min([next_boundary(now), *bounds]))


def cache_control(closed_until: int, now: int, *, shared: bool) -> str:
    """Return who may keep an answer, and for how long unasked; `shared`: it may be anyone's."""
    seconds = min(_CLOSED_SECONDS, (closed_until - now) // _SECOND)
    return f"{'public' if shared else 'private'}, {f'max-age={seconds}' if seconds > 0 else 'no-cache'}"


def next_boundary(now: int) -> int:
    """Return the next instant at which the clock alone changes answers."""
    midnight = now - now % calendar.DAY
    for boundary in _BOUNDARIES:
        if midnight + boundary > now:
            return midnight + boundary
    return midnight + calendar.DAY + _BOUNDARIES[0]
