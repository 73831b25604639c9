"""The page of the pipeline: how fresh the data are, what ran, what was loaded, and what is odd in it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from playwright.sync_api import Locator, Page, expect

from database.runs import recorded
from tests.api.markets import NOW
from tests.conftest import Database
from tests.pages.conftest import LOOKS, Look


def row(page: Page, table: str, text: str) -> Locator:
    return page.get_by_role("region", name=table).get_by_role("row").filter(has_text=text).first


@pytest.mark.parametrize("look", LOOKS, ids=str)
def test_it_tells_how_the_pipeline_stands_to_everybody(
    page: Page, look: Look, violations: Callable[[], list[str]]
) -> None:
    page.goto("/pipeline")
    expect(page.get_by_role("status")).to_contain_text(
        "State: succeeded. The last run began 2024-01-11 02:34, the last success ended 2024-01-11 02:37."
    )
    expect(row(page, "Markets", "BTC-USD")).to_have_text(
        "BTC-USD bitstamp 2019-01-01 00:00 2024-01-11 12:30 4 min yes \N{EN DASH}", use_inner_text=True
    )
    expect(row(page, "Markets", "FAKE-USD")).to_contain_text("SYNTHETIC")
    expect(row(page, "Markets", "FAKE-USD")).to_contain_text("STALE")
    expect(row(page, "What is odd in the bars", "GAP-USD")).to_contain_text("no bars for 4 days")
    expect(row(page, "Last runs", "GAP-USD")).to_contain_text("succeeded")
    expect(row(page, "Last loads", "LACK-USD")).to_contain_text("raw/source=kraken/")
    expect(page.get_by_role("link", name="Luigi's visualiser")).to_have_attribute(
        "href", "http://127.0.0.1:8082/static/visualiser/index.html"
    )
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert violations() == []


def test_it_asks_again_by_itself(page: Page, site_database: Database) -> None:
    page.clock.install()
    page.goto("/pipeline")
    expect(row(page, "Last runs", "GAP-USD")).to_be_visible()
    # older than what the other tests see as the last run
    with recorded(site_database.url, "FAKE-USD", "import", lambda: NOW - timedelta(hours=30)):
        page.clock.run_for(31_000)
        expect(row(page, "Last runs", "FAKE-USD")).to_contain_text("running")


@pytest.mark.parametrize("look", [Look(390, 844)], ids=str)
def test_a_phone_shows_the_first_of_long_lists_and_the_rest_when_it_is_wanted(page: Page, look: Look) -> None:
    page.clock.install()
    page.goto("/pipeline")
    loads = page.get_by_role("region", name="Last loads").get_by_role("row")
    expect(loads).to_have_count(1 + 5)
    page.get_by_role("button", name="Show 15 more: Last loads").click()
    expect(loads).to_have_count(1 + 20)
    with page.expect_response("**/graphql"):
        page.clock.run_for(31_000)
    expect(page.get_by_role("button", name="Show 15 more: Last loads")).to_have_count(0)
    expect(loads).to_have_count(1 + 20)
