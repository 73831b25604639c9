"""What a client may do: its scopes, and its rate."""

from __future__ import annotations

from btcql.errors import SettingError

# One per capability: what is read, and the two ways to read it that cost the server most.
SCOPES = ("prices", "forecasts", "pipeline", "subscriptions", "export")
UNLIMITED = "unlimited"
_MOST_RATE = 2**31 - 1  # the database's integer


def parse_scopes(text: str, what: str) -> frozenset[str]:
    """Return the scopes of a list by commas, none if it is empty.

    Raises SettingError, which names `what` (the setting or option), for one that there is not.
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in SCOPES:
            raise SettingError(f"{what}: {name!r} is not a scope; the scopes are {', '.join(SCOPES)}")
    return frozenset(names)


def parse_rate(text: str, what: str) -> int | None:
    """Return a rate in cost a minute, None for `unlimited`; raises SettingError, which names `what`."""
    if text == UNLIMITED:
        return None
    if text.isascii() and text.isdecimal() and 0 < int(text) <= _MOST_RATE:
        return int(text)
    raise SettingError(
        f"{what}: {text!r} is not a rate: give the cost allowed a minute, 1 to {_MOST_RATE:,}, or {UNLIMITED}"
    )
