"""The chart's page as a person reads it, and what the API says of the same."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import Locator, Page, Request, expect


def show(page: Page, address: str = "/") -> None:
    """Go to an address, and wait until the chart is drawn."""
    page.goto(address)
    drawn(page)


def drawn(page: Page) -> None:
    """Wait until what was asked last is drawn."""
    expect(chart(page)).to_have_attribute("aria-busy", "false")
    expect(page.locator("#over")).to_be_hidden()


def chart(page: Page) -> Locator:
    return page.get_by_role("application")


def address(page: Page) -> dict[str, str]:
    """Return the parameters of the page's address."""
    return {name: value for name, (value,) in parse_qs(urlsplit(page.url).query).items()}


def told(page: Page) -> Locator:
    """What a screen reader says of a change."""
    return page.locator("#told")


def legend(page: Page) -> Locator:
    return page.locator("#legend")


def press(page: Page, name: str) -> None:
    """Press a button by its name, and wait for what comes of it."""
    page.get_by_role("button", name=name, exact=True).click()
    drawn(page)


def question(request: Request) -> dict[str, Any]:
    """Return the GraphQL request that the page sent, `{}` for any other request."""
    if request.method != "POST" or not request.url.endswith("/graphql"):
        return {}
    asked: dict[str, Any] = json.loads(request.post_data or "{}")
    return asked


def price(value: float) -> str:
    """Return a price as the page writes it."""
    return f"{value:,.2f}"
