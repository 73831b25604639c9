// The controls above the chart: they show a view, and tell which one is wanted instead.

import { endOf } from "./intervals";
import { isoDay } from "./formats";
import { nameOfAverage } from "./legend";
import type { Market } from "./answers";
import { element } from "../notice";
import { button, find } from "./page";
import {
  INTERVALS,
  KINDS,
  MOST_AVERAGES,
  MOST_WINDOW,
  PERIODS,
  nameOf,
  type Average,
  type View,
} from "./state";

export class Toolbar {
  private readonly market = find("market", HTMLSelectElement);
  private readonly ranges = [...find("ranges", HTMLElement).querySelectorAll("button")];
  private readonly from = find("from", HTMLInputElement);
  private readonly to = find("to", HTMLInputElement);
  private readonly bars = find("bars", HTMLSelectElement);
  private readonly styles = [...find("style", HTMLElement).querySelectorAll("button")];
  private readonly log = find("log", HTMLButtonElement);
  private readonly forecast = find("forecast", HTMLButtonElement);
  private readonly chips = find("chips", HTMLElement);
  private readonly window = find("window", HTMLInputElement);
  private readonly kind = find("kind", HTMLSelectElement);
  private view!: View;

  /** `want` is called with what is to be different in the view. */
  constructor(private readonly want: (change: Partial<View>) => void) {
    this.market.addEventListener("change", () => want({ symbol: this.market.value, asOf: null }));
    for (const one of this.ranges) {
      one.addEventListener("click", () => want({ range: PERIODS.find((period) => period === one.value) ?? "YEAR" }));
    }
    submitted("dates", () => {
      const [from, to] = [this.from.value, this.to.value].toSorted();
      if (from && to) want({ range: { from, to } });
    });
    this.bars.addEventListener("change", () =>
      want({ bars: INTERVALS.find((interval) => interval === this.bars.value) ?? null }),
    );
    for (const one of this.styles) {
      one.addEventListener("click", () => want({ style: one.value === "line" ? "line" : "candles" }));
    }
    this.log.addEventListener("click", () => want({ log: !this.view.log }));
    this.forecast.addEventListener("click", () => want({ forecast: !this.view.forecast }));
    submitted("averages", () => this.add());
  }

  /** Show a view, and of the answer to it, which may be still to come, the dates. */
  draw(view: View, market: Market | null): void {
    this.view = view;
    for (const one of this.ranges) press(one, one.value === view.range);
    for (const one of this.styles) press(one, one.value === view.style);
    press(this.log, view.log);
    press(this.forecast, view.forecast);
    this.bars.value = view.bars ?? "";
    this.drawDates(view, market);
    this.chips.replaceChildren(...view.averages.map((average, place) => this.chip(average, place, market)));
  }

  /** Offer markets, of which one is shown. */
  offer(symbols: readonly string[], shown: string): void {
    const all = symbols.includes(shown) || !shown ? symbols : [shown, ...symbols];
    this.market.replaceChildren(...all.map((symbol) => new Option(symbol, symbol, false, symbol === shown)));
  }

  private drawDates({ range }: View, market: Market | null): void {
    if (market?.firstBar != null && market.dataThrough != null) {
      for (const input of [this.from, this.to]) {
        input.min = isoDay(market.firstBar);
        input.max = isoDay(market.dataThrough - 1);
      }
    }
    const [first, last] = [market?.bars.start[0], market?.bars.start.at(-1)];
    if (typeof range !== "string") {
      [this.from.value, this.to.value] = [range.from, range.to];
    } else if (market && first !== undefined && last !== undefined) {
      [this.from.value, this.to.value] = [isoDay(first), isoDay(endOf(last, market.interval) - 1)];
    }
  }

  private add(): void {
    const window = Number(this.window.value);
    const kind = KINDS.find((known) => known === this.kind.value) ?? "SIMPLE";
    if (!Number.isInteger(window) || window < 1 || window > MOST_WINDOW) return;
    const others = this.view.averages.filter((average) => nameOf(average) !== nameOf({ kind, window }));
    this.want({ averages: [...others, { kind, window }].slice(-MOST_AVERAGES) });
  }

  private chip(average: Average, place: number, market: Market | null): HTMLElement {
    const name = nameOfAverage(average, market);
    const rest = () => this.view.averages.filter((other) => nameOf(other) !== nameOf(average));
    const remove = button("", () => this.want({ averages: rest() }), `Remove the average ${name}`);
    remove.className = "chip";
    remove.append(element("span", "", `swatch average-${place + 1}`), element("span", name), element("span", "×", "x"));
    return remove;
  }
}

/** Call `act` when a form of the page is sent, which goes nowhere. */
export function submitted(form: string, act: () => void): void {
  find(form, HTMLFormElement).addEventListener("submit", (event) => {
    event.preventDefault();
    act();
  });
}

function press(one: HTMLButtonElement, isPressed: boolean): void {
  one.setAttribute("aria-pressed", String(isPressed));
}
