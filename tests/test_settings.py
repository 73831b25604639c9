"""Settings are read once, checked, and shown without secrets."""

from __future__ import annotations

from pathlib import Path

import pytest

from btcql.errors import SettingError
from btcql.masking import without_password
from btcql.settings import Settings


def test_the_defaults_need_no_environment() -> None:
    settings = Settings.read({})
    assert settings.home == Path("var").absolute()
    assert settings.lake == str(settings.home / "lake")
    assert (settings.port, settings.luigid_port) == (8000, 8082)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("BTCQL_PORT", "0"),
        ("BTCQL_PORT", "65536"),
        ("BTCQL_LUIGID_PORT", "http"),
        ("BTCQL_DATABASE_URL", "localhost/prices"),
        ("BTCQL_READER_URL", "postgresql://reader@host/without-a-database-url"),
        ("BTCQL_READ_DATABASE_URL", "postgresql://reader@host/without-a-database-url"),
        ("BTCQL_ADMIN_URL", "localhost"),
        ("BTCQL_TIMESCALEDB_LICENSE", ""),
        ("BTCQL_ENGINE", "DuckDB"),
        ("BTCQL_EXPORT_BARS", "1e6"),
        ("BTCQL_WORKERS", "0"),
        ("BTCQL_WORKERS", "two"),
        ("BTCQL_PROT", "8000"),
        ("BTCQL_ANONYMOUS_SCOPES", "everything"),
        ("BTCQL_ANONYMOUS_RATE", "-1"),
        ("BTCQL_TRUSTED_PROXIES", "10.0.0.1/8"),
        ("BTCQL_CORS_ORIGINS", "https://a.example/path"),
        ("BTCQL_INTROSPECTION", "no"),
        ("BTCQL_LOG_LEVEL", "loud"),
    ],
)
def test_what_cannot_be_used_is_named(variable: str, value: str) -> None:
    with pytest.raises(SettingError, match=variable):
        Settings.read({variable: value})


ADDRESSES = {
    "postgresql://user:secret@host/prices": "postgresql://user:***@host/prices",
    "postgresql://user:se@cret@host:1/prices": "postgresql://user:***@host:1/prices",
    "postgresql://user:p%2fsecret@host/prices": "postgresql://user:***@host/prices",
    "postgresql://user:se%cret@host/prices": "postgresql://user:***@host/prices",
    "postgresql+psycopg://user:secret@host/prices": "postgresql+psycopg://user:***@host/prices",
    "postgresql://host/prices?user=me&password=secret&a=b": "postgresql://host/prices?user=me&password=***&a=b",
    "postgresql://user@host/prices": "postgresql://user@host/prices",
    "var/lake": "var/lake",
}


@pytest.mark.parametrize(("url", "shown"), ADDRESSES.items(), ids=range(len(ADDRESSES)))
def test_an_address_is_shown_without_its_password(url: str, shown: str) -> None:
    assert without_password(url) == shown
    if "secret" in url and not url.startswith("postgresql:"):
        with pytest.raises(SettingError) as refused:
            Settings.read({"BTCQL_DATABASE_URL": url})
        assert "secret" not in str(refused.value)
