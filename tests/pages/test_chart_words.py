"""What the chart says of prices that are old, of part of a day, or not drawn as they were wanted."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.api.markets import NOW
from tests.pages.charting import drawn, legend, press, question, show, told

TEXTS_DRAWN = """
    window.drawnTexts = [];
    const draw = CanvasRenderingContext2D.prototype.fillText;
    CanvasRenderingContext2D.prototype.fillText = function (text, ...rest) {
        window.drawnTexts.push(String(text));
        return draw.call(this, text, ...rest);
    };
"""


def test_only_real_prices_of_today_are_called_live(page: Page) -> None:
    show(page)
    expect(page.locator("#live")).to_have_text("Live")
    page.get_by_role("combobox", name="Market").select_option("FAKE-USD")
    drawn(page)
    expect(page.get_by_text("STALE")).to_be_visible()
    expect(page.locator("#live")).to_have_text("Connected: new prices are shown as soon as they are loaded")


def test_minutes_wanted_of_days_are_told_by_one_banner(page: Page) -> None:
    show(page, "/?symbol=GAP-USD&range=ALL&bars=MINUTE")
    banner = page.locator(".banner")
    expect(banner).to_have_count(1)
    expect(banner).to_contain_text("days in place of minutes")
    expect(banner).to_contain_text("the finest is DAY")


def test_bars_too_long_for_a_forecast_say_so(page: Page) -> None:
    word = "the forecast is of days, not of weeks: choose bars of 1 day to see it"
    show(page, "/?bars=WEEK")
    expect(legend(page)).to_contain_text(word)
    press(page, "Forecast")
    expect(legend(page)).not_to_contain_text("forecast")


def test_no_price_below_zero_stands_at_the_axis(page: Page) -> None:
    page.add_init_script(TEXTS_DRAWN)
    show(page, "/?symbol=GAP-USD&range=ALL")
    page.wait_for_function("drawnTexts.includes('60.00')")
    assert page.evaluate("drawnTexts.filter(text => /^[\N{MINUS SIGN}-]/.test(text))") == []


def test_days_that_lack_hours_are_marked(page: Page) -> None:
    show(page, "/?symbol=LACK-USD&range=MONTH&bars=DAY")
    expect(legend(page)).to_contain_text("1 day lacks hours (†)")
    page.get_by_role("application").focus()
    for _ in range(7):
        page.keyboard.press("Shift+ArrowLeft")
    expect(legend(page)).to_contain_text("4 Jan 2024")
    expect(legend(page)).to_contain_text("† 20 of 24 hours")
    expect(told(page)).to_contain_text("4 Jan 2024, made of 20 of 24 hours: open")
    page.keyboard.press("Shift+ArrowLeft")
    expect(legend(page)).not_to_contain_text("of 24 hours")
    page.get_by_text("The bars as a table").click()
    expect(page.get_by_role("row", name="4 Jan 2024, † 20 of 24 hours")).to_be_visible()


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (NOW, "STALE: newer prices have been loaded since: the next forecast is due."),
        (datetime(2024, 1, 14, 1, tzinfo=NOW.tzinfo), "STALE: 3 of its days are past"),
        (datetime(2026, 1, 1, tzinfo=NOW.tzinfo), "STALE: all of its days are past, and no price of them"),
    ],
    ids=["overtaken", "partly past", "past"],
)
def test_a_stale_forecast_says_why_it_is(page: Page, now: datetime, said: str) -> None:
    def stale(route: Route) -> None:
        response = route.fetch()
        body: Any = response.json()
        if "query Chart" in question(route.request).get("query", ""):
            body["data"]["market"]["forecast"]["stale"] = True
        route.fulfill(response=response, json=body)

    page.route("**/graphql", stale)
    page.clock.set_fixed_time(now)
    show(page)
    expect(page.get_by_role("region", name=re.compile("^Forecast"))).to_contain_text(said)
