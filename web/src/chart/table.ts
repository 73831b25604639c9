// The bars as a table: for who does not see the chart, and who wants the numbers. Made only when it is opened.

import { element } from "../notice";
import type { Bar, Market } from "./answers";
import { NOTHING, amount, barTime, type PriceFormat } from "./formats";
import { nameOfAverage } from "./legend";
import { around, button, find, head } from "./page";
import { partsOf } from "./wholeness";
import type { Average } from "./state";

const PORTION = 60; // rows at a time, the newest first

export class BarTable {
  private readonly details = find("table", HTMLDetailsElement);
  private readonly place = find("rows", HTMLElement);
  private make: (() => void) | null = null;

  constructor() {
    this.details.addEventListener("toggle", () => this.refresh());
  }

  draw(market: Market, forming: Bar | null, averages: readonly Average[], format: PriceFormat): void {
    this.make = () => this.fill(market, forming, averages, format);
    this.refresh();
  }

  private refresh(): void {
    if (!this.details.open || !this.make) return;
    this.make();
    this.make = null;
  }

  private fill(market: Market, forming: Bar | null, averages: readonly Average[], format: PriceFormat): void {
    const { bars, interval } = market;
    const names = ["Start (UTC)", "Open", "High", "Low", "Close", "Volume"];
    const more = averages.map((average) => `Average ${nameOfAverage(average, market)}`);
    const body = element("tbody");
    if (forming) {
      const prices = [forming.open, forming.high, forming.low, forming.close].map((price) => format.write(price));
      const cells = [...prices, amount(forming.volume), ...more.map(() => NOTHING)];
      body.append(row(`${barTime(forming.start, interval)}, not complete`, cells));
    }
    const parts = partsOf(market);
    let next = bars.start.length - 1;
    const add = () => {
      for (const stop = Math.max(-1, next - PORTION); next > stop; next--) {
        const prices = [bars.open, bars.high, bars.low, bars.close].map((column) => format.write(column[next]));
        const values = market.averages.map((column) => format.write(column?.[next]));
        const name = barTime(bars.start[next]!, interval) + (parts[next] ? `, † ${parts[next]}` : "");
        body.append(row(name, [...prices, amount(bars.volume[next]), ...values]));
      }
      further.hidden = next < 0;
      further.textContent = `Show ${Math.min(PORTION, next + 1)} more of ${(next + 1).toLocaleString("en")}`;
    };
    const further = button("", add);
    add();
    const top = around("tr", "", ...[...names, ...more].map((name) => head(name, "col")));
    const caption = element("caption", `${market.symbol}, the newest first`, "unseen");
    const scroll = around("div", "scroll", around("table", "", caption, around("thead", "", top), body));
    scroll.tabIndex = 0; // so that it can be moved by keys
    scroll.setAttribute("role", "region");
    scroll.setAttribute("aria-label", "The bars as a table");
    this.place.replaceChildren(scroll, further);
  }
}

function row(name: string, cells: readonly string[]): HTMLTableRowElement {
  return around("tr", "", head(name, "row"), ...cells.map((text) => element("td", text)));
}
