"""How soon the chart is seen, and whether it follows the hand: by Chromium's own tracing.

    python -m benchmarks.chart http://127.0.0.1:8000

Times of a clock say little on a busy machine. Beside them stands what the processor did for the page's main
thread: that is the page's own work.
"""

from __future__ import annotations

import json
import os
import statistics
from collections import Counter
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated, Any

import httpx
import typer
from playwright.sync_api import Browser, Page, expect, sync_playwright

DAYS = 3653
AVERAGES = "SIMPLE-7.SIMPLE-30.EXPONENTIAL-200"
CATEGORIES = ["toplevel", "devtools.timeline", "disabled-by-default-devtools.timeline", "blink.user_timing"]
FRAME = 1000 / 60  # milliseconds
MOVES = 90
Events = list[dict[str, Any]]


@dataclass(frozen=True)
class Work:
    """The main thread's tasks, milliseconds of the processor, and the frames that it drew in `seconds`."""

    tasks: list[float]
    frames: int
    seconds: float

    def tell(self) -> str:
        tasks = sorted(self.tasks)
        late = sum(task > FRAME for task in tasks)
        return (
            f"{sum(tasks) / self.frames:5.1f} ms a frame, longest task {tasks[-1]:5.1f} ms, "
            f"{late} of {len(tasks)} tasks over {FRAME:.1f} ms "
            f"({self.frames / self.seconds:.0f} frames a second)"
        )


def main(
    address: Annotated[str, typer.Argument(help="Of a server with ten years of days.")],
    symbol: Annotated[str, typer.Option(help="The market.")] = "BTC-USD",
    rounds: Annotated[int, typer.Option(min=1, help="How often each is measured.")] = 5,
    chromium: Annotated[str, typer.Option(help="The browser.")] = "/usr/bin/chromium",
) -> None:
    """Print medians of the first paint, and the work of moving the chart."""
    through = read_end(address, symbol)
    ten_years = f"{address}/?symbol={symbol}&from={through - timedelta(days=DAYS - 1)}&to={through}"
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for name, url in (
            ("a year of days", f"{address}/?symbol={symbol}"),
            (f"{DAYS:,} days and 3 averages", f"{ten_years}&averages={AVERAGES}"),
        ):
            paints = [measure_paint(browser, url) for _ in range(rounds)]
            clock, work = (statistics.median(column) for column in zip(*paints, strict=True))
            print(f"first paint, {name}: {clock:.0f} ms by the clock, {work:.0f} ms of the processor")
        for name, style in (("candles", ""), ("line", "&style=line")):
            for kind, work_done in measure_moves(browser, f"{ten_years}&averages={AVERAGES}{style}").items():
                print(f"{kind:>4}, {name}: {work_done.tell()}")
        browser.close()


def read_end(address: str, symbol: str) -> date:
    """Return the market's last whole day; ends with an error if it has not DAYS of them."""
    movement = f"movement(range: {{lastDays: {DAYS}}}) {{ resolved {{ to }} coverage {{ present }} }}"
    query = f"query ($symbol: String!) {{ market(symbol: $symbol) {{ {movement} }} }}"
    asked = {"query": query, "variables": {"symbol": symbol}}
    answer = httpx.post(f"{address}/graphql", json=asked).json()
    found = answer["data"]["market"]["movement"]
    if found["coverage"]["present"] < DAYS - 10:
        raise SystemExit(f"{symbol} has only {found['coverage']['present']} of {DAYS} days: import more")
    return date.fromisoformat(found["resolved"]["to"][:10]) - timedelta(days=1)


def measure_paint(browser: Browser, url: str) -> tuple[float, float]:
    """Return what passes until the frame with the chart: by the clock, and of the processor, milliseconds."""
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    browser.start_tracing(page=page, categories=CATEGORIES)
    page.goto(url)
    drawn(page)
    events = timeline(browser)
    mark = next(e for e in events if e["name"] == "chart drawn")
    drew, began = mark["ts"], mark["ts"] - 1000 * mark["args"]["data"]["startTime"]
    painted = min(e["ts"] + e["dur"] for e in events if e["name"] == "Commit" and e["ts"] > drew)
    page.close()
    return (painted - began) / 1000, sum(tasks(events, painted))


def measure_moves(browser: Browser, url: str) -> dict[str, Work]:
    """Return the work of dragging the chart to and fro, and of zooming in and out of it."""
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.goto(url)
    drawn(page)
    box = page.get_by_role("application").bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    found = {}
    for kind in ("zoom", "pan"):
        browser.start_tracing(page=page, categories=CATEGORIES)
        if kind == "pan":
            page.mouse.down()
        for move in range(MOVES):
            if kind == "pan":
                page.mouse.move(x + 300 * (1 - abs(1 - move % 60 / 30)), y)
            else:
                page.mouse.wheel(0, -100 if move < MOVES * 2 // 3 else 100)
        if kind == "pan":
            page.mouse.up()
        events = timeline(browser)
        frames = [e["ts"] for e in events if e["name"] == "FireAnimationFrame"]
        found[kind] = Work(tasks(events), len(frames), (max(frames) - min(frames)) / 1e6)
    page.close()
    return found


def drawn(page: Page) -> None:
    expect(page.get_by_role("application")).to_have_attribute("aria-busy", "false", timeout=60_000)
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


def timeline(browser: Browser) -> Events:
    """Return what happened in the page's main thread: of all renderers' the one that drew frames."""
    events: Events = json.loads(browser.stop_tracing())["traceEvents"]
    drew = Counter((e["pid"], e["tid"]) for e in events if e["name"] == "FireAnimationFrame")
    ((main_thread, _),) = drew.most_common(1)
    return [e for e in events if (e["pid"], e["tid"]) == main_thread]


def tasks(events: Events, until: float = float("inf")) -> list[float]:
    """Return the processor's milliseconds of each task that began until an instant."""
    return [
        e["tdur"] / 1000 for e in events if e["name"] == "RunTask" and "tdur" in e and e["ts"] < until
    ] or [0.0]


if __name__ == "__main__":
    typer.run(main)
