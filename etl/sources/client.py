"""One exchange by ccxt's own client: single answers, checked to be bars, and asked for again when they fail.

ccxt is imported when the first answer is needed: it takes longer than all else together.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from email.utils import parsedate_to_datetime
from functools import cached_property
from importlib import import_module
from typing import Any, TypeVar

from btcql.errors import SourceError, SourceUnavailableError
from btcql.records import Timeframe
from etl.sources.patience import Patience, RefusalError
from etl.sources.venue import Venue, is_local

T = TypeVar("T")
_SHOWN = 160  # characters of an exchange's own words
_MALFORMED = (AttributeError, IndexError, KeyError, TypeError, ValueError, OverflowError)
Row = list[float]
"""Epoch milliseconds of a bar's start; open, high, low, close; volume."""


@dataclass(frozen=True)
class Page:
    """One answer: its sound bars, ascending in time; how many impossible ones were left out; its clock."""

    rows: list[Row]
    left_out: int
    now: datetime


class Client:
    """Asks one exchange; nothing is sent before the first question.

    `base_url` stands for the exchange (see BTCQL_EXCHANGE_URL); `timeout` is that of one answer, in seconds.
    """

    def __init__(
        self, venue: Venue, patience: Patience, *, base_url: str = "", timeout: float = 15.0
    ) -> None:
        self.venue = venue
        self._patience = patience
        self._base_url = base_url
        self._timeout = timeout

    def market(self, symbol: str) -> str:
        """Return ccxt's name of a symbol; SourceError, naming similar ones, if it is not listed."""
        wanted = symbol.replace("-", "/")
        listed = self._markets()
        if wanted not in listed:
            spelt = sorted(name.replace("/", "-") for name in listed)
            near = get_close_matches(symbol, spelt, n=5, cutoff=0.6)
            base = symbol.split("-", maxsplit=1)[0]
            near += [name for name in spelt if name.startswith(f"{base}-") and name not in near][:5]
            known = f"similar ones: {', '.join(near)}" if near else f"it lists {len(spelt):,} others"
            raise SourceError(f"{self.venue.name} does not list {symbol}; {known}")
        return wanted

    def page(self, symbol: str, timeframe: Timeframe, since: datetime, limit: int) -> Page:
        """Return at most `limit` bars from `since` on, the forming one included.

        Raises SourceError for a symbol that is not listed, SourceUnavailableError when the exchange cannot
        be reached, refuses, or answers with something else, in all tries.
        """
        market, start = self.market(symbol), int(since.timestamp()) * 1000

        def ask() -> Page:
            rows = self._api.fetch_ohlcv(market, timeframe.value, start, limit)
            given = self.venue.rows(self._api.last_json_response)
            if not all(math.isfinite(float(value)) for row in given for value in row):
                raise ValueError("a value that is no number")
            if given and not rows and not self.venue.keeps:
                raise RefusalError(f"its answer has only bars from before {since:%Y-%m-%dT%H:%MZ}")
            if any(row[0] % (timeframe.minutes * 60_000) for row in rows):
                raise RefusalError(f"its answer has bars that do not start a {timeframe} in UTC")
            sound = [row for row in rows if _sound(row)]
            left_out = len(rows) - len(sound)
            # one slip is known to happen; more are another kind of answer
            if left_out > max(1, len(rows) // 100):
                raise RefusalError(f"{left_out} of the {len(rows)} bars of its answer are none")
            return Page(sound, left_out, self._clock())

        what = f"bars of {symbol} from {since:%Y-%m-%dT%H:%MZ}"
        page = self._asked(what, ask)
        # no bars at all may be a slip of a busy exchange: believed when it is said twice
        return page if page.rows or page.left_out else self._asked(what, ask)

    def _markets(self) -> dict[str, Any]:
        def ask() -> dict[str, Any]:
            markets: dict[str, Any] = self._api.load_markets()
            if not markets:
                raise RefusalError("its list of markets is empty")
            return markets

        return {name: found for name, found in self._asked("its markets", ask).items() if found["spot"]}

    def _asked(self, what: str, question: Callable[[], T]) -> T:
        try:
            return self._patience.ask(lambda: self._try(question))
        except RefusalError as error:
            raise SourceUnavailableError(
                f"{self.venue.name} does not give {what}: {error}. Try again later; what came before is kept"
            ) from error

    def _try(self, question: Callable[[], T]) -> T:
        self._api.last_json_response = self._api.last_response_headers = None
        try:
            return question()
        except self._ccxt.BaseError as error:
            raise RefusalError(self._short(error), self._retry_after()) from error
        except _MALFORMED as error:  # what the parser of ccxt, or ours, stumbled over
            raise RefusalError("its answer is not of its usual form") from error

    @cached_property
    def _ccxt(self) -> Any:
        return import_module("ccxt")

    @cached_property
    def _api(self) -> Any:
        api = getattr(self._ccxt, self.venue.client)(
            {
                "timeout": int(self._timeout * 1000),
                "enableRateLimit": True,
                "enableLastJsonResponse": True,
                # proxies and certificates as the environment names them, but not to this machine itself
                "requests_trust_env": not is_local(self._base_url),
                "has": {"fetchCurrencies": False},  # one request less, and nothing of it is needed
                "options": {"fetchMarkets": {"types": ["spot"]}} if self.venue.name == "binance" else {},
            }
        )
        addresses = api.urls["api"]
        for kind, address in addresses.items():
            addresses[kind] = self.venue.moved(address, self._base_url)
        return api

    def _clock(self) -> datetime:
        """Return the exchange's time, as its answer says; one without a date is dated when it comes."""
        date = (self._api.last_response_headers or {}).get("Date")
        return parsedate_to_datetime(date).astimezone(UTC) if date else datetime.now(UTC)

    def _retry_after(self) -> float | None:
        """Return how many seconds the answer asks to wait, given in seconds or as a date."""
        text = (self._api.last_response_headers or {}).get("Retry-After", "").strip()
        if not text or text.isdecimal():
            return float(text) if text else None
        try:
            return max(0.0, (parsedate_to_datetime(text) - self._clock()).total_seconds())
        except (TypeError, ValueError):
            return None

    def _short(self, error: Exception) -> str:
        """Say what went wrong in one short line: an exchange's own words may be a whole page."""
        said = str(error)
        if error.__cause__ and not re.search(r" [45]\d\d ", said):
            said += f" {error.__cause__}"
        # neither the page nor the address: what was asked for is said already
        said = re.sub(r"<[^>]*>|(GET )?https?://\S+", " ", said.removeprefix(self.venue.client))
        said = " ".join(said.split())
        return said if len(said) <= _SHOWN else f"{said[:_SHOWN]}..."


def _sound(row: Row) -> bool:
    _, open_, high, low, close, volume = row
    return 0 < low <= min(open_, close) and max(open_, close) <= high and volume >= 0
