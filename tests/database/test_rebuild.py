"""What is written while another database is about to take the name: kept, or refused, and never lost."""

from __future__ import annotations

import threading

import pytest

from btcql.errors import DatabaseError
from database.connection import connected
from database.keys import create_key, read_keys, revoke_key
from database.rebuild import carried_over, create_beside, take_name
from tests.api.serving import wait_for
from tests.conftest import Database

pytestmark = pytest.mark.parametrize("edition", ["plain"], indirect=True, scope="session")

WAITING = (
    "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%UPDATE api_key%'"
)


def test_no_key_is_revoked_in_a_database_that_is_about_to_go(database: Database) -> None:
    said: list[str] = []

    def revoke(name: str) -> None:
        try:
            with connected(database.url) as connection:
                revoke_key(connection, name)
                said.append("revoked")
        except DatabaseError:
            said.append("refused")

    with connected(database.url) as connection:
        for name in ("before", "meanwhile"):
            create_key(connection, name, ["prices"], None)
    fresh = create_beside(database.url)
    revoke("before")
    with carried_over(database.url, fresh) as rows, connected(database.url, autocommit=True) as watching:
        assert rows == 2
        assert [key.name for key in read_keys(watching)] == ["before", "meanwhile"], "reads go on"
        revoking = threading.Thread(target=revoke, args=["meanwhile"])
        revoking.start()
        wait_for(lambda: watching.execute(WAITING).fetchone() == (1,))
        watching.close()
        take_name(database.url, lambda: None)
    revoking.join(60)
    assert said == ["revoked", "refused"]
    with connected(database.url) as connection:
        assert [key.revoked_at is None for key in read_keys(connection)] == [False, True]
    revoke("meanwhile")
    assert said[-1] == "revoked"


def test_what_was_held_is_let_go_when_the_name_is_not_taken(database: Database) -> None:
    fresh = create_beside(database.url)
    with connected(database.url) as connection:
        create_key(connection, "charts", ["prices"], None)
    with pytest.raises(ValueError, match="no"), carried_over(database.url, fresh):
        raise ValueError("no")
    with connected(database.url) as connection:
        assert revoke_key(connection, "charts").revoked_at
