"""What the pages show when the API is hostile, down, slow, or will not answer this client.

The answers are made up where a server of ours would not give them; refusals are a real server's.
"""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Browser, Page, Route, expect

from btcql.settings import Settings
from tests.api.serving import serving
from tests.conftest import Database
from tests.pages.conftest import Look, Watch, visiting
from tests.pages.graphiql import answer, opened, run

LOADING_FAILED = "Failed to load resource"  # Chromium's own line on a request that fails
MARKUP = '<img src="http://127.0.0.2/x" onerror="document.title=1"><script>document.title=2</script>'
LONG = "too much " * 1_200 + "END"
ANSWER = {
    "data": {
        "pipeline": {
            "state": MARKUP,
            "lastRunAt": MARKUP,
            "visualiserUrl": "javascript:document.title=3",
            "recentRuns": [{"symbol": MARKUP, "rows": "many", "startedAt": MARKUP}, None],
            "recentLoads": None,
            "qualityWarnings": [{"symbol": "X" * 10_000, "message": LONG, "bars": 1e300}],
        },
        "markets": [
            {"symbol": MARKUP, "sources": [MARKUP, None], "freshness": None},
            {"symbol": None, "sources": None, "freshness": {"ageSeconds": None, "stale": None}},
        ],
        "server": None,
    },
    "extensions": {"warnings": [{"code": "STALE", "message": MARKUP}]},
}


def answering(page: Page, answer: Callable[[Route], None]) -> None:
    """Let `answer` take the place of the API; the pages and their files stay the server's."""
    page.route(
        "**/graphql*", lambda route: answer(route) if route.request.method == "POST" else route.fallback()
    )


def saying(page: Page, body: object, status: int = 200) -> None:
    answering(page, lambda route: route.fulfill(status=status, json=body))


def test_the_pipeline_shows_markup_as_text_and_what_is_missing_as_a_dash(page: Page) -> None:
    saying(page, ANSWER)
    page.goto("/pipeline")
    markets = page.get_by_role("region", name="Markets")
    expect(markets).to_contain_text(MARKUP)
    expect(markets.get_by_role("row").nth(2)).to_have_text("\N{EN DASH}" * 7)
    expect(page.get_by_role("status")).to_contain_text(MARKUP)
    expect(page.locator(".notice")).to_contain_text(MARKUP)
    expect(page.get_by_role("region", name="What is odd")).to_contain_text("END")
    expect(page.get_by_role("link", name="visualiser")).to_have_count(0)
    assert page.locator("main img, main script").count() == 0
    assert page.title() == "btcql pipeline"
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    tallest = max(row.bounding_box()["height"] for row in page.get_by_role("row").all())  # type: ignore[index]
    assert tallest < 400


def test_nothing_at_all_is_shown_as_nothing(page: Page) -> None:
    saying(page, {"data": {"pipeline": None, "markets": None, "server": None}})
    page.goto("/pipeline")
    expect(page.get_by_role("main")).to_contain_text("No market has been loaded yet")


def test_a_message_of_ten_thousand_characters_leaves_the_page_usable(page: Page, watch: Watch) -> None:
    watch.expect(LOADING_FAILED)
    saying(page, {"errors": [{"message": LONG, "extensions": {"code": "INTERNAL"}}]}, 500)
    page.goto("/pipeline")
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("END")
    box = alert.bounding_box()
    assert box
    assert box["height"] < 300
    page.unroute_all()
    alert.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("region", name="Markets")).to_contain_text("BTC-USD")
    expect(alert).to_have_count(0)


def test_the_playground_shows_markup_as_text(page: Page) -> None:
    saying(page, {"data": {"market": {"symbol": MARKUP, "note": None}, "markets": [None, {"symbol": 1}]}})
    opened(page)
    run(page)
    expect(answer(page)).to_contain_text("onerror")
    assert page.locator("main img, main script").count() == 0
    assert page.title() == "btcql playground"


def test_a_server_that_is_down_is_said_to_be_and_asked_again(page: Page, watch: Watch) -> None:
    watch.expect(LOADING_FAILED)
    page.goto("/pipeline")
    expect(page.get_by_role("region", name="Markets")).to_be_visible()
    answering(page, lambda route: route.abort("connectionrefused"))
    page.evaluate(
        "document.dispatchEvent(new Event('visibilitychange'))"
    )  # as when one comes back to the tab
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("The server does not answer.")
    expect(alert).to_contain_text("Look whether it runs (btcql serve)")
    expect(page.get_by_text("Below is what the API said last.")).to_be_visible()
    expect(page.get_by_role("region", name="Markets")).to_contain_text("BTC-USD")
    page.unroute_all()
    alert.get_by_role("button", name="Try again").click()
    expect(alert).to_have_count(0)


def test_what_is_no_answer_of_the_api_is_said_to_be_none(page: Page) -> None:
    bodies = iter(("<html>Bad gateway</html>", "[]", "null", '{"data": null}', '{"errors": "no"}'))
    answering(page, lambda route: route.fulfill(content_type="application/json", body=next(bodies)))
    page.goto("/pipeline")
    alert = page.get_by_role("alert").filter(has_text="What came (HTTP 200) is no answer of the API's.")
    for _ in range(4):
        with page.expect_response("**/graphql"):
            alert.get_by_role("button", name="Try again").click()
    expect(alert).to_be_visible()
    assert next(bodies, None) is None


def test_a_slow_server_is_waited_for_and_given_up(page: Page) -> None:
    page.clock.install()
    answering(page, lambda _: None)  # never
    page.goto("/pipeline")
    page.clock.run_for(11_000)
    expect(page.get_by_text("No answer for 10 seconds. It may still come.")).to_be_visible()
    page.clock.run_for(20_000)
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("The server did not answer within 30 seconds.")
    page.unroute_all()
    alert.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("region", name="Markets")).to_contain_text("BTC-USD")


def test_waiting_in_the_playground_can_be_stopped(page: Page) -> None:
    opened(page)
    run(page)
    expect(answer(page)).to_contain_text("changePercent")
    page.clock.install()
    answering(page, lambda _: None)
    run(page)
    page.clock.run_for(11_000)
    expect(page.get_by_role("status").get_by_text("No answer for 10 seconds.")).to_be_visible()
    page.get_by_role("button", name="Stop query").click()
    page.clock.run_for(1_000)
    expect(answer(page)).to_contain_text("Stopped before an answer came.")


def test_the_pipeline_counts_down_where_it_asked_too_much(page: Page, watch: Watch) -> None:
    watch.expect(LOADING_FAILED)
    page.clock.install()
    limited = {"message": "too much", "extensions": {"code": "RATE_LIMITED", "retryAfter": 20}}
    saying(page, {"errors": [limited]}, 429)
    page.goto("/pipeline")
    again = page.get_by_role("alert").get_by_role("button", name="Try again in")
    expect(again).to_be_disabled()
    page.clock.run_for(21_000)
    expect(page.get_by_role("button", name="Try again", exact=True)).to_be_enabled()


def test_the_pipeline_asks_for_a_key_where_one_is_needed(
    browser: Browser, site_database: Database, look: Look
) -> None:
    closed = Settings(anonymous_rate_text="unlimited", anonymous_scopes_text="prices")
    with (
        serving(site_database.url, settings=closed) as api,
        visiting(browser, str(api.http.base_url).rstrip("/"), look) as (page, watch),
    ):
        watch.expect(LOADING_FAILED)
        page.goto("/pipeline")
        alert = page.get_by_role("alert")
        expect(alert).to_contain_text("pipeline")
        alert.get_by_label("API key").fill("btcql_wrong")
        alert.get_by_role("button", name="Use this key").click()
        expect(alert).to_contain_text("key")
        expect(alert.get_by_label("API key")).to_have_value("btcql_wrong")
