"""The API's keys: made, listed, revoked. The secret is given out once and kept nowhere."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from btcql.errors import SettingError
from btcql.tokens import PREFIX, digest, new_token
from database.connection import Connection
from database.queries import query


@dataclass(frozen=True)
class ApiKey:
    """A key without its secret. prefix: what it begins with; rate: cost a minute, None without a limit."""

    key_id: int
    name: str
    prefix: str
    scopes: list[str]
    rate: int | None
    created_at: datetime
    revoked_at: datetime | None
    last_used_at: datetime | None


def create_key(
    connection: Connection, name: str, scopes: Iterable[str], rate: int | None
) -> tuple[ApiKey, str]:
    """Make a key, and return it with its text; raises SettingError for a name that is none or taken."""
    if not name.strip() or not name.isprintable() or name.startswith(PREFIX):
        raise SettingError(f"{name!r} does not name a key: give one to know it by, such as the client's")
    token = new_token()
    parameters = {
        "name": name,
        "prefix": token.prefix,
        "sha256": digest(token.text),
        "scopes": sorted(scopes),
        "rate": rate,
    }
    row = connection.execute(query("create_key"), parameters).fetchone()
    if row is None:
        raise SettingError(f"{name!r} is a key already: revoke it first, or choose another name")
    return ApiKey(*row), token.text


def read_keys(connection: Connection) -> list[ApiKey]:
    """Return every key there ever was, oldest first."""
    return [ApiKey(*row) for row in connection.execute(query("read_keys"))]


def revoke_key(connection: Connection, which: str) -> ApiKey:
    """Revoke the key of this name or prefix; again: nothing changes. Raises SettingError if there is none."""
    row = connection.execute(query("revoke_key"), {"which": which}).fetchone()
    if row is not None:
        return ApiKey(*row)
    keys = read_keys(connection)
    for key in reversed(keys):
        if which in {key.name, key.prefix}:
            return key
    known = ", ".join(key.name for key in keys if key.revoked_at is None)
    raise SettingError(
        f"{which!r} is no key's name: " + (f"the keys are {known}" if known else "no key is in force")
    )
