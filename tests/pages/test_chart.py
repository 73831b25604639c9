"""The chart: what a person sees of it, and what each of its controls does."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.api.serving import Api
from tests.pages.charting import address, chart, drawn, legend, press, price, question, show, told
from tests.pages.conftest import LOOKS, Look, Watch

DASH = "\u2013"
YEAR = "movement(range: {last: YEAR}) { change changePercent high { value } low { value } } price { value }"
FORECAST = "forecast { points { price interval { lower upper } } }"


@pytest.mark.parametrize("look", LOOKS, ids=str)
def test_the_chart_can_be_read_and_used_by_anybody(
    page: Page, site: Api, look: Look, violations: Callable[[], list[str]]
) -> None:
    show(page)
    market = site.market(f"{YEAR} {FORECAST}")
    expect(page.locator("#price")).to_contain_text(price(market["price"]["value"]))
    expect(page.locator("#change")).to_contain_text(f"{abs(market['movement']['changePercent']):,.2f} %")
    figures = page.locator("#figures")
    for expected in (
        abs(market["movement"]["change"]),
        *(market["movement"][x]["value"] for x in ("high", "low")),
    ):
        expect(figures).to_contain_text(price(expected))
    rows = page.get_by_role("table", name=re.compile("The forecast of 10 Jan 2024")).get_by_role("row")
    expect(rows).to_have_count(16)
    last = market["forecast"]["points"][-1]
    band = f"{last['interval']['lower']:,.0f} {DASH} {last['interval']['upper']:,.0f}"
    expect(rows.last).to_contain_text(band)
    if look.width < 500:
        page.get_by_text("Dates, bars, averages, files").click()
        small = [
            (name, size)
            for name, size in sizes(
                page.locator("main, header").locator("button, select, input, summary, a.button")
            )
            if size < 44 and name != "retrospective"
        ]
        assert small == []
    page.get_by_text("The bars as a table").click()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert violations() == []


def sizes(controls: Locator) -> list[tuple[str, float]]:
    """Return the heights of the controls that are seen."""
    found: list[tuple[str, float]] = controls.evaluate_all(
        "all => all.filter(one => one.checkVisibility())"
        ".map(one => [one.id || one.textContent, one.getBoundingClientRect().height])"
    )
    return found


def test_each_range_is_shown_in_bars_that_suit_it_and_the_way_back_leads_back(page: Page, site: Api) -> None:
    show(page)
    expected = {
        "1W, one week": ("WEEK", "hours"),
        "1M, one month": ("MONTH", "bars of 4 hours"),
        "3M, three months": ("QUARTER", "days"),
        "All there is": ("ALL", "days"),
    }
    for name, (range_, bars) in expected.items():
        press(page, name)
        expect(page.get_by_role("button", name=name)).to_have_attribute("aria-pressed", "true")
        expect(chart(page)).to_have_accessible_name(re.compile(f"of BTC-USD in {bars}, "))
        assert address(page) == {"range": range_}
    page.get_by_label("From").fill("2023-03-01")
    page.get_by_label("to", exact=True).fill("2023-03-31")
    page.get_by_role("form", name="Two dates").get_by_role("button").click()
    drawn(page)
    assert address(page) == {"from": "2023-03-01", "to": "2023-03-31"}
    expect(page.locator("#figures")).to_contain_text(f"1 Mar 2023 {DASH} 31 Mar 2023")
    moved = site.market('movement(range: {days: {from: "2023-03-01", to: "2023-03-31"}}) { close }')
    expect(page.locator("#price")).to_contain_text(price(moved["movement"]["close"]))
    expect(page.locator("#asof")).to_have_text("at 1 Apr 2023, 00:00 UTC")
    page.get_by_role("combobox", name="Bars").select_option("1 week")
    drawn(page)
    expect(chart(page)).to_have_accessible_name(re.compile("weeks"))
    page.go_back()
    page.go_back()
    drawn(page)
    expect(page.get_by_role("button", name="All there is")).to_have_attribute("aria-pressed", "true")
    expect(chart(page)).to_have_accessible_name(re.compile("days, all there is"))


def test_averages_are_added_read_and_taken_away_and_the_address_tells_all(page: Page, site: Api) -> None:
    show(page)
    before = chart(page).screenshot()
    form = page.get_by_role("form", name="Add an average")
    for window, kind in (("7", "simple"), ("30", "exponential"), ("200", "weighted")):
        form.get_by_label("Window").fill(window)
        form.get_by_label("Kind").select_option(kind)
        form.get_by_role("button", name="Add").click()
        drawn(page)
        arguments = f"range: {{last: YEAR}}, window: {window}, kind: {kind.upper()}"
        average = site.market(f"movingAverage({arguments}) {{ columns {{ value }} }}")["movingAverage"]
        value = average["columns"]["value"][-1]
        expect(legend(page)).to_contain_text(
            f"{window} days, {kind}" + (DASH if value is None else price(value))
        )
    assert address(page) == {"averages": "SIMPLE-7.EXPONENTIAL-30.WEIGHTED-200"}
    assert chart(page).screenshot() != before
    other = page.context.new_page()  # somebody who was sent the address
    show(other, page.url)
    expect(legend(other)).to_have_text(legend(page).inner_text(), use_inner_text=True)
    press(page, "Remove the average 30 days, exponential")
    expect(legend(page)).not_to_contain_text("exponential")
    assert address(page) == {"averages": "SIMPLE-7.WEIGHTED-200"}


def test_style_scale_forecast_theme_and_market_are_chosen(page: Page) -> None:
    show(page)
    pictures = [chart(page).screenshot()]
    for name, parameter in (("Line", ("style", "line")), ("Log: logarithmic scale", ("scale", "log"))):
        press(page, name)
        assert parameter in address(page).items()
        pictures.append(chart(page).screenshot())
    expect(legend(page)).to_contain_text("forecast, 80 and 95 %")
    press(page, "Forecast")
    assert address(page)["forecast"] == "off"
    expect(legend(page)).not_to_contain_text("forecast")
    pictures.append(chart(page).screenshot())
    page.get_by_label("Theme").select_option("dark")
    pictures.append(chart(page).screenshot())
    assert len(set(pictures)) == len(pictures)
    page.get_by_role("combobox", name="Market").select_option("FAKE-USD")
    drawn(page)
    expect(page.get_by_text("SYNTHETIC")).to_be_visible()
    expect(page.get_by_text("STALE")).to_be_visible()
    assert address(page)["symbol"] == "FAKE-USD"
    assert page.title().endswith("FAKE-USD · btcql")
    page.reload()
    drawn(page)
    expect(page.get_by_role("combobox", name="Market")).to_have_value("FAKE-USD")
    assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "dark"


def test_holes_and_the_bar_that_is_not_complete_are_said_and_drawn(page: Page) -> None:
    show(page, "/?symbol=GAP-USD")
    expect(legend(page)).to_contain_text("4 bars without a price")
    expect(page.locator(".hatched")).to_be_visible()
    show(page, "/?from=2024-01-09&to=2024-01-11")
    expect(legend(page)).to_contain_text("not complete: prices up to 11 Jan 2024, 12:30 UTC")
    expect(page.locator(".hollow")).to_be_visible()
    page.get_by_text("The bars as a table").click()
    expect(page.get_by_role("row", name="11 Jan 2024, 12:00 UTC, not complete")).to_be_visible()


def test_a_past_forecast_is_shown_with_what_came_of_it_and_the_record_of_all(page: Page, site: Api) -> None:
    show(page)
    before = chart(page).screenshot()
    page.get_by_label("As it was on").fill("2023-12-16")
    page.get_by_role("form", name="A past forecast").get_by_role("button", name="Show").click()
    drawn(page)
    assert address(page)["asOf"] == "2023-12-16"
    points = site.market('forecast(asOf: "2023-12-16") { points { actual } }')["forecast"]["points"]
    table = page.get_by_role("table", name="The forecast of 15 Dec 2023")
    expect(table.get_by_role("columnheader", name="Came")).to_be_visible()
    for row, point in zip(table.get_by_role("row").all()[1:], points, strict=True):
        expect(row).to_contain_text(f"{point['actual']:,.0f}")
    expect(page.get_by_text("Of the 15 days that have come")).to_be_visible()
    expect(legend(page)).to_contain_text("as of 2023-12-16")
    assert chart(page).screenshot() != before
    score = site.market("forecastScore { issued matured horizons { horizon coverage80 } }")["forecastScore"]
    record = page.get_by_role("region", name="The record of past forecasts")
    expect(record).to_contain_text(f"{score['issued']} issued, {score['matured']} of them")
    expect(record.get_by_role("row", name=re.compile("^15 days"))).to_contain_text(
        f"{100 * score['horizons'][14]['coverage80']:.1f} %"
    )
    record.get_by_label("with those computed afterwards").check()
    expect(record).to_contain_text("issued")
    page.get_by_role("button", name="Newest").click()
    drawn(page)
    assert address(page) == {}


def test_the_view_is_one_question_that_the_playground_opens_with(page: Page, site: Api) -> None:
    asked = []
    page.on("request", lambda request: asked.append(question(request)))
    show(page, "/?range=MONTH&bars=DAY&averages=SIMPLE-7")
    href = page.get_by_role("link", name="This view as GraphQL").get_attribute("href")
    assert href is not None
    parts = urlsplit(href)
    filled = {name: value for name, (value,) in parse_qs(parts.query).items()}
    assert parts.path == "/graphql"
    (view,) = (one for one in asked if "query Chart" in one.get("query", ""))
    assert (filled["query"], json.loads(filled["variables"])) == (
        view["query"],
        view["variables"],
    )
    answer = site.http.get(href).json()
    assert len(answer["data"]["market"]["candles"]["columns"]["close"]) == 31


def test_what_is_shown_is_saved_as_csv_and_as_a_picture(page: Page, site: Api, watch: Watch) -> None:
    show(page, "/?range=QUARTER&averages=SIMPLE-7")
    with page.expect_download() as exported:
        page.get_by_role("button", name="CSV").click()
    assert exported.value.suggested_filename == "BTC-USD_QUARTER_DAY.csv"
    expected = site.http.get("/export/candles.csv?symbol=BTC-USD&last=QUARTER&interval=DAY").text
    assert exported.value.path().read_text(encoding="utf-8") == expected.replace("\r\n", "\n")
    watch.expect("Failed to load resource.*/export/")
    page.route("**/export/**", lambda route: route.abort())
    with page.expect_download() as made:
        page.get_by_role("button", name="CSV").click()
    expect(told(page)).to_contain_text("what is shown is saved")
    rows = list(csv.DictReader(io.StringIO(made.value.path().read_text(encoding="utf-8"))))
    series = site.market("candles(range: {last: QUARTER}) { columns { close } }")["candles"]["columns"]
    assert [float(row["close"]) if row["close"] else None for row in rows] == series["close"]
    assert rows[0]["SIMPLE-7"]
    with page.expect_download() as picture:
        page.get_by_role("button", name="PNG").click()
    assert picture.value.path().read_bytes().startswith(b"\x89PNG")
    assert picture.value.path().stat().st_size > 10_000


def test_the_chart_is_moved_and_read_by_keys(page: Page, site: Api) -> None:
    show(page)
    page.get_by_role("link", name="This view as GraphQL").focus()
    page.keyboard.press("Tab")
    expect(chart(page)).to_be_focused()
    seen = re.compile(r"In view: (.+) to (.+)\.")
    page.keyboard.press("Home")
    expect(told(page)).to_have_text("In view: 11 Jan 2023 to 25 Jan 2024.")
    page.keyboard.press("ArrowUp")
    expect(told(page)).not_to_contain_text("2024.")
    expect(told(page)).to_have_text(seen)
    nearer = told(page).inner_text()
    page.keyboard.press("ArrowRight")
    expect(told(page)).not_to_have_text(nearer)
    expect(told(page)).to_have_text(seen)
    page.keyboard.press("Home")
    expect(told(page)).to_have_text("In view: 11 Jan 2023 to 25 Jan 2024.")
    closes = site.market("candles(range: {last: YEAR}) { columns { close } }")["candles"]["columns"]["close"]
    for place in (-1, -2):
        page.keyboard.press("Shift+ArrowLeft")
        expect(told(page)).to_contain_text(f"close {price(closes[place])}")
    page.keyboard.press("Escape")
    page.get_by_text("The bars as a table").click()
    table = page.get_by_role("table", name=re.compile("BTC-USD, the newest first"))
    expect(table.get_by_role("row")).to_have_count(61 + 1)  # the bar that is not complete, and a head
    page.get_by_role("button", name=re.compile("Show 60 more")).click()
    expect(table.get_by_role("row")).to_have_count(122)
    expect(table.get_by_role("row").nth(2)).to_contain_text(price(closes[-1]))
