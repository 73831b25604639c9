"""The playground: GraphiQL, its examples, its documentation, and what it says without the API."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from btcql.settings import Settings
from database.connection import connected
from database.keys import create_key
from tests.api.serving import serving
from tests.conftest import Database
from tests.pages.conftest import LOOKS, Look, visiting
from tests.pages.graphiql import answer, choose, opened, run, tab

EXAMPLES = {
    "LastWeek": '"changePercent"',
    "LastMonth": '"volatility"',
    "TwoDates": '"clamped": false',
    "Averages": '"status": "OK"',
    "Forecast": '"basedOn": "2024-01-10"',
}
# GraphiQL's own, which no style of ours can mend: a tab that can be moved has buttons in it.
KNOWN = 'nested-interactive: <li aria-selected="'
QUERY = "query Linked($symbol: String!) { market(symbol: $symbol) { symbol } }"
LOADING_FAILED = "Failed to load resource"  # what Chromium says of 401, 429 and the like


def alert(page: Page) -> Locator:
    """What went wrong, by the page; the editors have alerts of their own."""
    return page.locator(".notices").get_by_role("alert")


def write_headers(page: Page, text: str) -> None:
    page.get_by_role("button", name="Headers").click()
    page.locator(".monaco-editor[data-uri$='request-headers.json']").click()
    page.keyboard.press("Control+A")
    page.keyboard.press("Delete")
    page.keyboard.insert_text(text)


def test_each_example_is_a_tab_that_answers(page: Page) -> None:
    opened(page)
    expect(page.get_by_role("tab")).to_have_text([re.compile(name) for name in (*EXAMPLES, "ClosedBars")])
    for name, said in EXAMPLES.items():
        choose(page, name)
        run(page)
        expect(answer(page)).to_contain_text(said)
        expect(answer(page)).not_to_contain_text('"errors"')


def test_a_subscription_runs_until_it_is_stopped(page: Page) -> None:
    opened(page)
    choose(page, "ClosedBars")
    run(page)
    expect(answer(page)).to_contain_text('"start": "2024-01-10T00:00:00Z"')
    page.get_by_role("button", name="Stop query").click()
    expect(page.get_by_role("button", name="Execute query")).to_be_visible()


def test_the_schema_is_described(page: Page) -> None:
    opened(page)
    page.get_by_role("button", name="Show Documentation Explorer").click()
    docs = page.get_by_role("region", name="Documentation Explorer")
    docs.get_by_role("link", name="Query", exact=True).click()
    docs.get_by_role("link", name="Market", exact=True).first.click()
    expect(docs).to_contain_text("How the price moved over a range: last week, last month, any two dates.")


def test_an_example_opens_once_from_the_panel(page: Page) -> None:
    opened(page, "/graphql?" + urlencode({"query": "{ markets { symbol } }"}))
    page.get_by_role("button", name="Show Examples").click()
    examples = page.get_by_role("region", name="Examples")
    examples.get_by_role("button", name="Forecast").click()
    expect(tab(page, "Forecast")).to_have_attribute("aria-selected", "true")
    expect(tab(page, "Forecast")).to_have_count(1)


def test_a_link_opens_the_very_query_with_its_variables(page: Page) -> None:
    link = "/graphql?" + urlencode({"query": QUERY, "variables": json.dumps({"symbol": "GAP-USD"})})
    opened(page, link)
    expect(tab(page, "Linked")).to_have_attribute("aria-selected", "true")
    run(page)
    expect(answer(page)).to_contain_text('"symbol": "GAP-USD"')
    opened(page, "/graphql")  # who was here before gets a link's query in a tab of its own
    opened(page, link.replace("GAP-USD", "FAKE-USD"))
    run(page)
    expect(answer(page)).to_contain_text('"symbol": "FAKE-USD"')


def test_the_button_makes_a_link_of_what_stands_there(page: Page) -> None:
    opened(page)
    choose(page, "TwoDates")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy a link to this query").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    link = page.evaluate("navigator.clipboard.readText()")
    assert link == page.url
    page.evaluate("localStorage.clear()")
    opened(page, link)
    expect(tab(page, "TwoDates").first).to_have_attribute("aria-selected", "true")
    run(page)
    expect(answer(page)).to_contain_text('"from": "2023-12-11T00:00:00Z"')


@pytest.mark.parametrize("look", [LOOKS[0], LOOKS[3]], ids=str)
def test_the_theme_follows_the_system_until_a_person_chooses(page: Page, look: Look) -> None:
    def brightness() -> float:
        """From 0 to 255, of the editors' background."""
        colour: str = page.locator(".graphiql-editors").evaluate("e => getComputedStyle(e).backgroundColor")
        red, green, blue = (float(part) for part in colour[colour.index("(") + 1 : -1].split(",")[:3])
        return (red + green + blue) / 3

    opened(page)
    dark = look.theme == "dark"
    assert (brightness() < 100) == dark
    page.get_by_label("Theme").select_option("light" if dark else "dark")
    assert (brightness() < 100) != dark
    opened(page)
    expect(page.locator(f"body.graphiql-{'light' if dark else 'dark'}")).to_be_attached()
    assert (brightness() < 100) != dark


def test_who_needs_a_key_is_told_so_and_may_give_it(
    browser: Browser, site_database: Database, look: Look
) -> None:
    with connected(site_database.url, autocommit=True) as connection:
        _, key = create_key(connection, "reader", ["prices", "forecasts"], None)
    closed = Settings(anonymous_rate_text="unlimited", anonymous_scopes_text="")
    with (
        serving(site_database.url, settings=closed) as api,
        visiting(browser, str(api.http.base_url).rstrip("/"), look) as (page, watch),
    ):
        watch.expect(LOADING_FAILED)
        opened(page)
        expect(alert(page)).to_contain_text("API key")
        run(page)
        expect(answer(page)).to_contain_text("UNAUTHENTICATED")
        write_headers(page, json.dumps({"X-API-Key": key}))
        run(page)
        expect(answer(page)).to_contain_text('"changePercent"')
        expect(alert(page)).to_have_count(0)
        page.reload()  # the headers are forgotten
        expect(alert(page)).to_contain_text("API key")
        alert(page).get_by_label("API key").fill(key)
        alert(page).get_by_role("button", name="Use this key").click()
        expect(alert(page)).to_have_count(0)
        run(page)
        expect(answer(page)).to_contain_text('"changePercent"')


def test_a_server_that_tells_no_schema_still_answers(
    browser: Browser, site_database: Database, look: Look
) -> None:
    hidden = Settings(anonymous_rate_text="unlimited", introspection_text="off")
    with (
        serving(site_database.url, settings=hidden) as api,
        visiting(browser, str(api.http.base_url).rstrip("/"), look) as (page, watch),
    ):
        watch.expect(LOADING_FAILED)
        opened(page)
        expect(page.get_by_role("status")).to_contain_text("does not tell its schema")
        run(page)
        expect(answer(page)).to_contain_text('"changePercent"')


def test_who_asks_too_much_is_told_how_long_to_wait(
    browser: Browser, site_database: Database, look: Look
) -> None:
    few = Settings(anonymous_rate_text="300")
    with (
        serving(site_database.url, settings=few) as api,
        visiting(browser, str(api.http.base_url).rstrip("/"), look) as (page, watch),
    ):
        watch.expect(LOADING_FAILED)
        opened(page)
        while alert(page).count() == 0:
            run(page)
            expect(answer(page)).to_contain_text("{")
        expect(alert(page).get_by_role("button", name="Try again in")).to_be_disabled()


@pytest.mark.parametrize("look", LOOKS, ids=str)
def test_everybody_can_use_it_at_a_desk_and_on_a_phone(
    page: Page, look: Look, violations: Callable[[], list[str]]
) -> None:
    opened(page)
    run(page)
    expect(answer(page)).to_contain_text('"changePercent"')
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.get_by_role("button", name="Show Documentation Explorer").click()
    expect(page.get_by_role("region", name="Documentation Explorer")).to_contain_text("Query")
    assert [line for line in violations() if not line.startswith(KNOWN)] == []
