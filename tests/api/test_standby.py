"""The API where it reads from a standby: BTCQL_READ_DATABASE_URL."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from database.connection import connected
from database.keys import create_key, read_keys
from database.migrate import migrate
from database.runs import recorded
from database.server import EmbeddedServer
from tests.api.markets import load, numbered
from tests.api.serving import UNLIMITED, listens, serving, wait_for
from tests.api.standby import standby
from tests.conftest import settings_of

_ASKED = '{ market(symbol: "DAY-USD") { price { value } } pipeline { state } }'


def _now() -> datetime:
    return datetime.now(UTC)


def test_the_api_reads_a_standby_follows_it_and_goes_on_without_the_server_itself() -> None:
    with tempfile.TemporaryDirectory(prefix="btcql-") as home, ExitStack() as up:
        settings = settings_of("plain", Path(home))
        primary = EmbeddedServer(settings)
        url = up.enter_context(primary.running())
        migrate(url)
        load(url, "DAY-USD", numbered("2023-12-01", 30), "bitstamp")
        with connected(url, autocommit=True) as connection:
            _, text = create_key(connection, "page", {"prices", "pipeline"}, None)

        with standby(settings) as read_url:
            with serving(read_url, _now, UNLIMITED, primary_url=primary.reader_url) as api:
                listens(api)
                api.http.headers["x-api-key"] = text

                def price() -> float:
                    return float(api.ask(_ASKED)["market"]["price"]["value"])

                def state() -> str:
                    return str(api.ask(_ASKED)["pipeline"]["state"])

                assert price() == 30
                load(url, "DAY-USD", numbered("2023-12-01", 41), "bitstamp")
                wait_for(lambda: price() == 41)
                with recorded(url, "DAY-USD", "refresh", _now):
                    wait_for(lambda: state() == "running")
                wait_for(lambda: state() == "succeeded")
            with connected(url, autocommit=True) as connection:
                assert [key.last_used_at is None for key in read_keys(connection)] == [False]

            up.close()  # the server itself
            with serving(read_url, _now, UNLIMITED, primary_url=primary.reader_url) as api:
                wait_for(lambda: api.http.get("/readyz").is_success)
                assert api.market("price { value }", "DAY-USD") == {"price": {"value": 41}}
