"""What the reader may and may not do with the API's keys."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import psycopg
import pytest
from psycopg import errors

from btcql.errors import DatabaseError, SettingError
from btcql.tokens import digest
from database.connection import connected
from database.keys import create_key, read_keys, revoke_key
from database.pool import Pool
from database.readers.keys import KeyFacts, fetch_key, note_uses
from tests.conftest import Database


async def reading(url: str, text: str, ages: Mapping[int, float]) -> KeyFacts | None:
    """Note uses as the API does, and look the key up."""
    pool = Pool(url)
    await pool.open()
    try:
        await pool.run(note_uses, ages)
        sha256 = digest(text)
        assert sha256
        return await pool.run(fetch_key, sha256)
    finally:
        await pool.close()


@pytest.mark.parametrize("edition", ["plain"], indirect=True, scope="session")
def test_the_reader_notes_uses_at_most_once_a_minute_and_writes_nothing_else(database: Database) -> None:
    with connected(database.url, autocommit=True) as writer:
        key, text = create_key(writer, "charts", {"prices"}, 60)

        def noted(age: float) -> float | None:
            found = asyncio.run(reading(database.reader_url, text, {key.key_id: age, 999: 0}))
            assert found == KeyFacts(key.key_id, "charts", frozenset({"prices"}), 60)
            (kept,) = read_keys(writer)
            return kept.last_used_at.timestamp() if kept.last_used_at else None

        first = noted(300)
        assert first
        assert noted(280) == first, "within a minute of what is known"
        later = noted(-1e6)
        assert later, "not to come"
        assert 290 < later - first < 400
        assert noted(200) == later, "older than what is known"

        writer.execute("ALTER FUNCTION note_api_key_use(integer[], interval[]) RENAME TO away")
        with pytest.raises(DatabaseError, match="takes no note of keys"):
            noted(0)
        writer.execute("ALTER FUNCTION away(integer[], interval[]) RENAME TO note_api_key_use")

        revoke_key(writer, "charts")
        assert asyncio.run(reading(database.reader_url, text, {})) is None
    with psycopg.connect(database.reader_url, autocommit=True) as reader:
        reader.execute("SET default_transaction_read_only = off")
        for statement in (
            "INSERT INTO api_key (name, prefix, sha256, scopes) SELECT 'x', 'y', sha256, scopes FROM api_key",
            "UPDATE api_key SET scopes = '{export}'",
            "DELETE FROM api_key",
            "ALTER FUNCTION note_api_key_use(integer[], interval[]) SECURITY INVOKER",
        ):
            with pytest.raises(errors.InsufficientPrivilege):
                reader.execute(statement.encode())


@pytest.mark.parametrize("edition", ["plain"], indirect=True, scope="session")
def test_a_name_is_free_again_when_its_key_is_revoked(database: Database) -> None:
    with connected(database.url, autocommit=True) as writer:
        first, _ = create_key(writer, "charts", {"prices"}, None)
        with pytest.raises(SettingError, match="'charts' is a key already"):
            create_key(writer, "charts", {"prices"}, None)
        revoked = revoke_key(writer, first.prefix)
        assert revoked.revoked_at
        assert revoke_key(writer, "charts") == revoked
        with pytest.raises(SettingError, match="'nobody' is no key's name: no key is in force"):
            revoke_key(writer, "nobody")
        second, _ = create_key(writer, "charts", {"export", "prices"}, 5)
        assert read_keys(writer) == [revoked, second]
        with pytest.raises(SettingError, match="'nobody' is no key's name: the keys are charts"):
            revoke_key(writer, "nobody")
        for name in (" ", "a\nb", first.prefix):
            with pytest.raises(SettingError, match="does not name a key"):
                create_key(writer, name, {"prices"}, None)


def test_only_texts_of_the_right_form_have_a_hash() -> None:
    for text in ("", "btcql_", "btcql_0123abcd_short", "btcql_0123abcd_" + "ä" * 43, "x" * 58):
        assert digest(text) is None
    assert digest("btcql_0123abcd_" + "-" * 43)
