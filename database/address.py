"""Addresses of PostgreSQL as URLs, and those derived from them."""

from __future__ import annotations

from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlencode, urlsplit


def with_database(url: str, name: str) -> str:
    """Return the address of the database `name` on the same server, as the same role."""
    parts = urlsplit(url)
    return _join(parts, parts.netloc, f"/{quote(name, safe='')}", without={"dbname"})


def with_role(url: str, role: str) -> str:
    """Return the address of the same database for another role; the password, the first one's, goes."""
    parts = urlsplit(url)
    place = parts.netloc.rpartition("@")[2]
    return _join(parts, f"{quote(role, safe='')}@{place}", parts.path, without={"user", "password"})


def database_of(url: str) -> str:
    """Return the name of the address's database, empty if it has none."""
    parts = urlsplit(url)
    return dict(parse_qsl(parts.query)).get("dbname") or unquote(parts.path.removeprefix("/"))


def _join(parts: SplitResult, netloc: str, path: str, without: set[str]) -> str:
    # Not urlunsplit: it drops the slashes of an address without a host.
    options = [(name, value) for name, value in parse_qsl(parts.query) if name not in without]
    question = f"?{urlencode(options, quote_via=quote, safe='')}" if options else ""
    return f"{parts.scheme}://{netloc}{path}{question}"
