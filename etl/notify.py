"""Telling people, through apprise: e-mail, Slack, Telegram, webhooks, and whatever else it knows."""

from __future__ import annotations

import hashlib
import logging
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from btcql.errors import SettingError
from database.connection import Connection
from database.events import Event, read_untold, write_telling

_FIRST_RETRY = timedelta(minutes=1)
_LONGEST_RETRY = timedelta(hours=1)
_GIVE_UP = timedelta(days=3)
_TITLES = {
    "failed": "btcql: {} is not refreshed",
    "recovered": "btcql: {} is refreshed again",
    "stale": "btcql: {} is stale",
    "fresh": "btcql: {} is up to date again",
}

logger = logging.getLogger("btcql.notify")


@dataclass(frozen=True)
class Address:
    """Where people are told, as an address that apprise knows; it may hold secrets."""

    url: str

    @property
    def digest(self) -> str:
        """What the address is known by in the database."""
        return hashlib.sha256(self.url.encode()).hexdigest()[:16]

    @property
    def shown(self) -> str:
        """What may be shown of it."""
        return self.url.partition("://")[0] + "://***"

    def tell(self, title: str, text: str) -> bool:
        """Tell it, and return whether it was taken."""
        target = _target(self.url)
        return target is not None and bool(target.notify(body=text, title=title))


def addresses(urls: Sequence[str]) -> list[Address]:
    """Return the addresses; raises SettingError for one that apprise does not know."""
    found = [Address(url) for url in urls]
    for number, address in enumerate(found, start=1):
        if _target(address.url) is None:
            raise SettingError(
                f"BTCQL_NOTIFY: address {number} ({address.shown}) is none that apprise knows: "
                "give such as mailto://..., slack://..., tgram://..., json://host/path"
            )
    return found


def tell_untold(connection: Connection, to: Sequence[Address], now: datetime) -> None:
    """Tell every address what it has not been told; what was not taken is told again later, for three days.

    Where there is no address, nobody is to be told.
    """
    for event in read_untold(connection, now):
        told = [address.digest for address in to if address.digest in event.delivered_to]
        untaken: list[str] = []
        for address in to:
            if address.digest in told:
                continue
            if address.tell(_TITLES[event.kind].format(event.market), event.message):
                told.append(address.digest)
            else:
                untaken.append(address.shown)
        retry_at = _retry_at(event, now) if untaken else None
        if untaken:
            when = f"tried again at {retry_at:%H:%M} UTC" if retry_at else "given up"
            logger.warning("%r was not taken by %s: %s", event.message, ", ".join(untaken), when)
        write_telling(connection, event, told, retry_at)


def _target(url: str) -> Any:
    """Return apprise with the address, None if it is of no kind that it knows."""
    logging.getLogger("apprise").setLevel(logging.CRITICAL)  # its warnings may hold the address
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of its own imports
        import apprise  # noqa: PLC0415 - slow, and needed only where somebody is to be told

        target = apprise.Apprise()
        return target if target.add(url) else None


def _retry_at(event: Event, now: datetime) -> datetime | None:
    if now - event.at > _GIVE_UP:
        return None
    return now + min(_FIRST_RETRY * (1 << min(event.tries, 10)), _LONGEST_RETRY)
