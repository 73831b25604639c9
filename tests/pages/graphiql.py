"""What a person does in the playground."""

from __future__ import annotations

from playwright.sync_api import Locator, Page, expect


def tab(page: Page, name: str) -> Locator:
    """The tab with this title; the one that is open has a button to close it beside."""
    return page.get_by_role("tab").filter(has=page.get_by_role("button", name=name, exact=True))


def choose(page: Page, name: str) -> None:
    tab(page, name).get_by_role("button", name=name, exact=True).click()


def run(page: Page) -> None:
    page.get_by_role("button", name="Execute query").click()


def answer(page: Page) -> Locator:
    return page.locator(".result-window .view-lines")


def opened(page: Page, address: str = "/graphql") -> Page:
    """Go there, and wait until a query stands there and its answer has a place."""
    page.goto(address)
    expect(page.locator(".graphiql-query-editor .view-lines")).to_contain_text("{")
    expect(page.locator(".result-window .monaco-editor")).to_be_attached()
    return page
