"""The chart follows what is new by itself, and says so when it can only ask again."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime

from playwright.sync_api import Browser, WebSocketRoute, expect

from tests.api import sockets
from tests.api.markets import issue_forecast, load
from tests.api.serving import listens, serving
from tests.api.sockets import until
from tests.conftest import fresh_database
from tests.pages.charting import legend, show
from tests.pages.conftest import Look, visiting

SOCKET = re.compile(r"^ws://[^/]+/graphql$")


def test_what_is_new_is_shown_by_itself_and_also_without_a_connection(
    start_server: Callable[[str], str], browser: Browser
) -> None:
    with fresh_database(start_server("plain"), "plain") as fresh:
        load(fresh.url, "DAY-USD", until(20), "bitstamp")
        with serving(fresh.url, lambda: sockets.NOW) as api:
            listens(api)
            with visiting(browser, str(api.http.base_url).rstrip("/"), Look()) as (page, _):
                connections: list[WebSocketRoute] = []
                is_there = True

                def connect(connection: WebSocketRoute) -> None:
                    if is_there:
                        connection.connect_to_server()
                        connections.append(connection)
                    else:
                        connection.close(code=1013)

                page.route_web_socket(SOCKET, connect)
                page.clock.install()
                show(page, "/?range=ALL")
                expect(legend(page)).to_contain_text("20 Dec 2023")
                expect(page.locator("#live")).to_contain_text("Connected: new prices")
                load(fresh.url, "DAY-USD", until(21), "bitstamp")
                expect(legend(page)).to_contain_text("21 Dec 2023")
                issue_forecast(fresh.url, "DAY-USD", date(2023, 12, 21), datetime(2023, 12, 22, tzinfo=UTC))
                expect(page.get_by_role("table", name="The forecast of 21 Dec 2023")).to_be_visible()
                expect(legend(page)).to_contain_text("forecast")

                is_there = False
                connections[-1].close(code=1011)
                expect(page.locator("#live")).to_contain_text("asking again every 60 seconds")
                load(fresh.url, "DAY-USD", until(22), "bitstamp")
                page.clock.run_for(61_000)
                expect(legend(page)).to_contain_text("22 Dec 2023")

                is_there = True
                page.clock.run_for(31_000)  # the longest pause between two attempts
                expect(page.locator("#live")).to_contain_text("Connected: new prices")
                load(fresh.url, "DAY-USD", until(23), "bitstamp")
                expect(legend(page)).to_contain_text("23 Dec 2023")
