"""An address leads to another database, or to the same one as another role, and to nothing else."""

from __future__ import annotations

import pytest

from database.address import database_of, with_database, with_role


@pytest.mark.parametrize(
    ("url", "database", "role"),
    [
        ("postgresql://me:pw@host:5433/a", "postgresql://me:pw@host:5433/b", "postgresql://you@host:5433/a"),
        (
            "postgresql://me@/a?host=%2Fa%20home%2Frun",
            "postgresql://me@/b?host=%2Fa%20home%2Frun",
            "postgresql://you@/a?host=%2Fa%20home%2Frun",
        ),
        ("postgresql:///a", "postgresql:///b", "postgresql://you@/a"),
        (
            "postgresql://host?dbname=a&user=me&password=pw&sslmode=require",
            "postgresql://host/b?user=me&password=pw&sslmode=require",
            "postgresql://you@host?dbname=a&sslmode=require",
        ),
    ],
)
def test_only_what_is_asked_for_changes(url: str, database: str, role: str) -> None:
    assert database_of(url) == "a"
    assert with_database(url, "b") == database
    assert with_role(url, "you") == role


def test_a_name_may_have_any_sign_in_it() -> None:
    url = with_role(with_database("postgresql://me@host/a", "b/c ü"), "you@home")
    assert url == "postgresql://you%40home@host/b%2Fc%20%C3%BC"
    assert database_of(url) == "b/c ü"
