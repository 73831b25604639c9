"""Whether an exchange can be reached at all, known within seconds: one small question, no ccxt."""

from __future__ import annotations

from threading import Thread

import requests

from etl.sources.venue import Venue, is_local

_REASONS: tuple[tuple[type[Exception], str], ...] = (
    (requests.JSONDecodeError, "what answers in its place speaks no JSON"),
    (requests.HTTPError, "{}"),
    (requests.Timeout, "no answer in time"),
    (requests.exceptions.ProxyError, "the proxy that the environment names does not let it through"),
    (requests.ConnectionError, "no connection"),
    (requests.RequestException, "{}"),
)
_CONNECT_SECONDS, _READ_SECONDS = 3.0, 4.0


def why_unreachable(venue: Venue, base_url: str = "", *, seconds: float = 6.0) -> str | None:
    """Return in a line why the exchange cannot be reached, None if it answers as it should.

    Bounded by `seconds` as a whole: the look-up of a name in a network that swallows packets has no limit of
    its own, so it is left behind in its thread.
    """
    found: list[str | None] = []
    thread = Thread(target=lambda: found.append(_probe(venue, base_url)), daemon=True)
    thread.start()
    thread.join(seconds)
    return found[0] if found else f"no answer within {seconds:g} s"


def _probe(venue: Venue, base_url: str) -> str | None:
    try:
        with requests.Session() as session:
            session.trust_env = not is_local(base_url)  # proxies as the environment names them
            answer = session.get(venue.at(base_url) + venue.probe, timeout=(_CONNECT_SECONDS, _READ_SECONDS))
            answer.raise_for_status()
            answer.json()
    except requests.RequestException as error:
        return next(said for kind, said in _REASONS if isinstance(error, kind)).format(error)
    return None
