"""The chart."""

from __future__ import annotations

from playwright.sync_api import Page, expect


def test_the_chart_page_names_its_market(page: Page) -> None:
    page.goto("/")
    expect(page.get_by_role("main")).to_contain_text("BTC-USD")
