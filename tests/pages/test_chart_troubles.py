"""The chart where the API does not do as it should: it says what happened, and offers what can be done."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.api.serving import Api
from tests.pages.charting import chart, drawn, legend, press, question, show
from tests.pages.conftest import Watch

MARKUP = "<img src=x onerror=alert(1)>BTC"
LONG = "so it went on and on " * 500  # 10 kB
REFUSED = {"message": LONG + MARKUP, "extensions": {"code": "INTERNAL"}}
Answer = Callable[[Route], None]


def answer(status: int, body: Any, **headers: str) -> Answer:
    """Answer the view's question with a status and a body, and let all others through."""

    def respond(route: Route) -> None:
        if "query Chart" not in question(route.request).get("query", ""):
            route.continue_()
            return
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        route.fulfill(status=status, json=body, headers=sent)

    return respond


def error(code: str, message: str, **more: Any) -> dict[str, Any]:
    return {"errors": [{"message": message, "extensions": {"code": code, **more}}]}


@pytest.fixture
def cdn(watch: Watch) -> None:
    """Failures that the test makes are no fault of the page's."""
    watch.expect("Failed to load resource.*/graphql")


def test_an_api_that_is_down_is_said_and_asked_again(page: Page, watch: Watch) -> None:
    watch.expect("Failed to load resource|WebSocket")
    page.route("**/graphql", lambda route: route.abort())
    page.goto("/")
    notice = page.get_by_role("alert").first
    expect(notice).to_contain_text("The server does not answer.")
    page.unroute("**/graphql")
    notice.get_by_role("button", name="Try again").click()
    drawn(page)
    expect(page.locator("#figures")).to_contain_text("Volatility")
    expect(page.get_by_role("combobox", name="Market")).to_contain_text("GAP-USD")


def test_an_api_that_is_slow_is_said_and_can_be_left(page: Page) -> None:
    show(page)
    held: list[Route] = []
    page.route("**/graphql", lambda route: held.append(route))  # noqa: PLW0108 - it is not callable so
    page.clock.install()
    page.get_by_role("button", name="1M, one month").click()
    page.clock.run_for(4_000)
    expect(page.get_by_text(re.compile("Asking the API for [34] s"))).to_be_visible()
    page.clock.run_for(7_000)
    expect(page.get_by_text(re.compile("The API is slow: it has not answered for 1. s"))).to_be_visible()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("You cancelled the question.")).to_be_visible()
    # what is shown is still the year: drawn otherwise it must not pass for the month
    page.unroute("**/graphql")
    page.get_by_role("button", name="Ask again").click()
    drawn(page)
    expect(chart(page)).to_have_accessible_name(re.compile("bars of 4 hours, one month"))


@pytest.mark.usefixtures("cdn")
def test_the_wait_of_a_rate_limit_is_counted_down(page: Page) -> None:
    page.clock.install()
    page.route("**/graphql", answer(429, error("RATE_LIMITED", "too much", retryAfter=7), retry_after="7"))
    page.goto("/")
    wait = page.get_by_role("button", name=re.compile("Try again"))
    expect(wait).to_have_text("Try again in 7 s")
    expect(wait).to_be_disabled()
    expect(page.get_by_label("API key")).to_be_visible()
    page.clock.run_for(3_000)
    expect(wait).to_have_text(re.compile("Try again in [345] s"))
    page.clock.run_for(5_000)
    page.unroute("**/graphql")
    wait.click()
    drawn(page)


@pytest.mark.usefixtures("cdn")
def test_a_key_is_asked_for_and_kept_for_this_tab_alone(page: Page) -> None:
    message = "this server answers to API keys only"
    keys: list[str | None] = []

    def guarded(route: Route) -> None:
        key = route.request.headers.get("authorization")
        keys.append(key)
        if key is None:
            route.fulfill(status=401, json=error("UNAUTHENTICATED", message))
        else:
            headers = {
                name: value for name, value in route.request.headers.items() if name != "authorization"
            }
            route.continue_(headers=headers)

    page.route("**/graphql", guarded)
    page.goto("/")
    expect(page.get_by_text(message).first).to_be_visible()
    page.get_by_label("API key").first.fill("btcql_secret")
    page.get_by_role("button", name="Use this key").first.click()
    expect(page.locator("#figures")).to_contain_text("Volatility")
    assert keys[-1] == "Bearer btcql_secret"
    kept = page.evaluate(
        "[JSON.stringify(sessionStorage), JSON.stringify(localStorage), document.cookie, location.href]"
    )
    assert "btcql_secret" in kept[0]
    assert "btcql_secret" not in "".join(kept[1:])


def test_what_cannot_be_answered_is_answered_as_near_as_can_be(page: Page) -> None:
    """Hours that are too many, and days before there was a forecast."""
    show(page, "/?range=ALL&bars=MINUTE&asOf=2020-01-01")
    expect(page.locator("#banners")).to_contain_text("Shown otherwise")
    expect(page.locator("#banners")).to_contain_text("are more than")
    none = "no forecast of BTC-USD is based on days up to 2020-01-01"
    expect(page.get_by_role("region", name="Forecast", exact=True)).to_contain_text(none)
    expect(legend(page)).not_to_contain_text("as of")


def test_markets_that_are_not_there(page: Page) -> None:
    page.goto("/?symbol=DOGE-USD")
    expect(page.get_by_text("market 'DOGE-USD' has no data")).to_be_visible()
    press(page, "Show GAP-USD")
    expect(legend(page)).to_contain_text("without a price")
    page.route(
        "**/graphql",
        lambda route: (
            route.fulfill(json={"data": {"markets": []}})
            if "markets" in question(route.request).get("query", "")
            else route.fulfill(json=error("MARKET_NOT_FOUND", "there is no market BTC-USD"))
        ),
    )
    page.goto("/")
    expect(page.get_by_text("No market has been loaded yet.")).to_be_visible()
    expect(page.get_by_text("btcql import")).to_be_visible()


EVIL: dict[str, Any] = {
    "symbol": MARKUP,
    "quote": MARKUP,
    "sources": [MARKUP],
    "synthetic": True,
    "freshness": {"firstBar": MARKUP, "dataThrough": "2024-01-02T00:00:00Z", "stale": True},
    "price": {"at": None, "value": 1e300},
    "movement": {"changePercent": 1e308, "high": {"value": MARKUP}, "low": 3, "volume": "many"},
    "candles": {
        "coverage": {"expected": 10**15, "present": 1},
        "warnings": [{"code": MARKUP, "message": LONG + MARKUP}],
        "columns": {
            "start": [0, 86_400_000, 86_400_000, None, "x", 172_800_000],
            "open": [1, 2],
            "high": [1e300, None, 5, 6, 7, 8],
            "low": None,
            "close": [1, MARKUP, 3, 4, 5, 6],
        },
    },
    "forecast": {
        "basedOn": "1970-01-02",
        "lastClose": 2,
        "statement": LONG + MARKUP,
        "model": {"name": MARKUP},
        "points": [None, {"day": "1970-01-03", "price": 3, "interval": {"lower": None}}, 5],
    },
}


@pytest.mark.parametrize(
    "data",
    [
        {"market": EVIL},
        {"market": {**dict.fromkeys(EVIL), "symbol": MARKUP}},
        {"market": None},
        {"market": [EVIL]},
    ],
    ids=["markup and wrong kinds", "nulls", "nothing", "a list"],
)
def test_whatever_a_hostile_api_says_is_text(page: Page, data: Any) -> None:
    evil_markets = {"data": {"markets": [{"symbol": MARKUP}, {"symbol": None}, None]}}

    def respond(route: Route) -> None:
        asked = question(route.request).get("query", "")
        if "query Chart" in asked:
            route.fulfill(
                json={"data": data, "extensions": {"warnings": [{"code": MARKUP, "message": MARKUP}]}}
            )
        elif "markets" in asked:
            route.fulfill(json=evil_markets)
        else:
            route.fulfill(json={"data": {"market": data["market"]}})

    page.route("**/graphql", respond)
    page.goto("/")
    expect(chart(page)).to_have_attribute("aria-busy", "false")
    expect(page.locator("#banners")).to_contain_text(MARKUP)
    page.get_by_text("The bars as a table").click()
    page.get_by_role("button", name="Line").click()
    assert page.locator("main img").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.usefixtures("cdn")
def test_a_long_refusal_is_text_and_leaves_the_page_a_page(page: Page, site: Api) -> None:
    page.route("**/graphql", answer(500, json.loads(json.dumps({"errors": [REFUSED]}))))
    page.goto("/")
    expect(page.get_by_role("alert").first).to_contain_text(MARKUP)
    assert page.locator("main img").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate("document.documentElement.scrollHeight") < 3000
