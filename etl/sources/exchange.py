"""All bars of a range from an exchange, page by page: each bar once, none still forming, holes said."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa

from btcql.errors import SourceError
from btcql.records import Timeframe
from etl.sources.client import Client, Page, Row
from lake.schema import BARS, PRICES, bars_table

_NAMES = (*PRICES, "volume")
Tell = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Fetched:
    """The bars of [start, end) that had ended by the exchange's clock.

    `table` has the lake's schema BARS, sorted by ts, unique, possibly empty; `now` is the exchange's time;
    `notices` say what is missing, one line each; `pages` counts its answers.
    """

    table: pa.Table
    start: datetime
    end: datetime
    now: datetime
    pages: int
    notices: tuple[str, ...]


class Exchange:
    """One exchange as a source of whole ranges."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.venue = client.venue

    def market(self, symbol: str) -> str:
        """Return the exchange's name of a symbol; SourceError, naming similar ones, if it is not listed."""
        return self._client.market(symbol)

    def fetch(
        self, symbol: str, timeframe: Timeframe, start: datetime, end: datetime, tell: Tell = lambda _: None
    ) -> Fetched:
        """Fetch the bars that begin in [start, end), both whole bars' starts; `tell` is told the share done.

        Raises SourceError and SourceUnavailableError as `Client.page` does, the former too for a range that
        the exchange keeps no bar of.
        """
        bars: dict[int, Row] = {}
        left_out = pages = 0
        cursor = start
        while True:
            limit = min(self.venue.page, (end - cursor) // timeframe.length)
            page = self._client.page(symbol, timeframe, cursor, limit)
            pages, left_out = pages + 1, left_out + page.left_out
            closed = [row for row in page.rows if _instant(row) + timeframe.length <= page.now]
            bars |= {int(row[0]): row for row in closed if start <= _instant(row) < end}
            cursor = self._next(page, timeframe, cursor, limit)
            if cursor >= min(end, page.now):
                break
            tell((cursor - start) / (end - start))
        if self.venue.keeps and not bars:
            raise SourceError(
                f"{self.venue.name} gives only its last {self.venue.keeps} bars of {timeframe}: none of "
                f"{symbol} from {start:%Y-%m-%d} to {end:%Y-%m-%d}; take older ones from another source"
            )
        table = _table([bars[stamp] for stamp in sorted(bars)])
        notices = self._notices(symbol, timeframe, (start, min(end, page.now)), sorted(bars), left_out)
        return Fetched(table, start, end, page.now, pages, notices)

    def first_day(self, symbol: str, since: datetime, until: datetime) -> datetime | None:
        """Return the start of the first day in [since, until) that has a bar, None if there is none."""
        cursor = since
        while cursor < until:
            limit = min(self.venue.page, max(1, (until - cursor).days))
            page = self._client.page(symbol, Timeframe.DAY, cursor, limit)
            if page.rows:
                return _instant(page.rows[0])
            cursor = self._next(page, Timeframe.DAY, cursor, limit) if self.venue.windowed else until
        return None

    def oldest(self, timeframe: Timeframe, now: datetime) -> datetime | None:
        """Return the first whole day that the exchange still gives bars of, None where it gives them all."""
        if self.venue.keeps is None:
            return None
        reach = now - self.venue.keeps * timeframe.length
        return datetime(reach.year, reach.month, reach.day, tzinfo=UTC) + timedelta(days=1)

    def _next(self, page: Page, timeframe: Timeframe, cursor: datetime, limit: int) -> datetime:
        """Return where the next page begins: always later than this one."""
        if self.venue.keeps:
            return page.now  # all that there is came at once
        later = [row for row in page.rows if _instant(row) >= cursor]
        if later:
            return _instant(later[-1]) + timeframe.length
        return cursor + limit * timeframe.length if self.venue.windowed else page.now

    def _notices(
        self,
        symbol: str,
        timeframe: Timeframe,
        asked: tuple[datetime, datetime],
        stamps: list[int],
        left_out: int,
    ) -> tuple[str, ...]:
        start, end = asked
        name = f"{self.venue.name} {symbol} {timeframe}"
        notices = [f"{name}: {left_out} bars with impossible prices were left out"] if left_out else []
        if self.venue.keeps and stamps and _at(stamps[0]) > start:
            return (
                *notices,
                f"{name}: only the last {self.venue.keeps} bars are given, from {_spelt(stamps[0])} on",
            )
        step = timeframe.minutes * 60_000
        expected = np.arange(_ms(start), _ms(end) - step + 1, step)
        missing = np.setdiff1d(expected, np.asarray(stamps, dtype=np.int64), assume_unique=True)
        if len(missing):
            breaks = np.flatnonzero(np.diff(missing) != step)
            first = missing[breaks[0]] if len(breaks) else missing[-1]
            more = f" and {len(breaks)} more stretches" if len(breaks) else ""
            notices.append(
                f"{name}: {len(missing):,} of {len(expected):,} bars are missing, "
                f"{_spelt(missing[0])} to {_spelt(first + step)}{more}"
            )
        return tuple(notices)


def _table(rows: list[Row]) -> pa.Table:
    if not rows:
        return BARS.empty_table()
    columns = np.asarray(rows, dtype=np.float64).T
    values = dict(zip(_NAMES, columns[1:], strict=True))
    return bars_table(columns[0].astype(np.int64) * 1000, values)


def _instant(row: Row) -> datetime:
    return _at(row[0])


def _at(stamp: float) -> datetime:
    return datetime.fromtimestamp(int(stamp) // 1000, UTC)


def _ms(instant: datetime) -> int:
    return int(instant.timestamp()) * 1000


def _spelt(stamp: int) -> str:
    return f"{_at(stamp):%Y-%m-%dT%H:%MZ}"
