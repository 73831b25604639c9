// Above the chart: what its lines and signs mean, and what they are worth at the bar under the cursor.

import { element } from "../notice";
import type { Bar, Market } from "./answers";
import { canShow } from "./pricechart";
import { NOTHING, amount, barTime, moment, type PriceFormat } from "./formats";
import { nameOfBars, nameOfWindow, showsDays } from "./intervals";
import { closingBar } from "./fan";
import { around } from "./page";
import { partsOf } from "./wholeness";
import type { Average, Kind, View } from "./state";

const KINDS: Record<Kind, string> = { SIMPLE: "simple", EXPONENTIAL: "exponential", WEIGHTED: "weighted" };

export function nameOfAverage(average: Average, market: Market | null): string {
  const window = market ? nameOfWindow(average.window, market.interval) : `${average.window}`;
  return `${window}, ${KINDS[average.kind]}`;
}

export class Legend {
  private readonly values = new Map<string, HTMLElement>();
  private market: Market | null = null;
  private forming: Bar | null = null;
  private parts: readonly (string | null)[] = [];
  private format!: PriceFormat;

  constructor(private readonly place: HTMLElement) {}

  draw(market: Market, forming: Bar | null, averages: readonly Average[], view: View, format: PriceFormat): void {
    Object.assign(this, { market, forming, format, parts: partsOf(market) });
    this.values.clear();
    const first = around("div", "line", this.value("time", "when"));
    for (const [name, label] of [["open", "O"], ["high", "H"], ["low", "L"], ["close", "C"], ["volume", "Vol"]] as const) {
      const key = element("abbr", label);
      key.title = name;
      first.append(around("span", "pair", key, this.value(name)));
    }
    first.append(this.value("part"));
    const second = around("div", "line");
    averages.forEach((average, place) => {
      const swatch = element("span", "", `swatch average-${place + 1}`);
      const name = element("span", nameOfAverage(average, market), "dim");
      second.append(around("span", "pair", swatch, name, this.value(`average${place}`)));
    });
    if (view.forecast && canShow(market.forecast, market)) {
      second.append(this.band("forecast", "forecast, 80 and 95 %"));
    }
    if (canShow(market.past, market)) second.append(this.band("past", `as of ${view.asOf ?? ""}`));
    if (!showsDays(market.interval) && ((view.forecast && market.forecast) || market.past)) {
      const bars = nameOfBars(market.interval);
      second.append(element("span", `the forecast is of days, not of ${bars}: choose bars of 1 day to see it`, "dim"));
    }
    for (const note of this.notes()) second.append(note);
    this.place.replaceChildren(first, ...(second.childNodes.length ? [second] : []));
    this.point(null);
  }

  /** Show what there is at the bar that begins at `start`; null: at the last one. */
  point(start: number | null): void {
    const { market, forming } = this;
    if (!market) return;
    const { bars } = market;
    let place = start === null ? bars.start.length - 1 : bars.start.indexOf(start);
    const isForming = forming !== null && (start === null || start === forming.start);
    if (isForming) place = -1;
    const bar = isForming
      ? forming
      : {
          open: bars.open[place],
          high: bars.high[place],
          low: bars.low[place],
          close: bars.close[place],
          volume: bars.volume[place],
        };
    const part = isForming ? null : this.parts[place];
    this.set("part", part ? `† ${part}` : "");
    const at = start ?? forming?.start ?? bars.start.at(-1);
    this.set("time", at == null ? NOTHING : barTime(at, market.interval));
    for (const name of ["open", "high", "low", "close"] as const) this.set(name, this.format.write(bar[name]));
    this.set("volume", amount(bar.volume));
    const settled = start === null ? bars.start.length - 1 : place;
    market.averages.forEach((values, number) => this.set(`average${number}`, this.format.write(values?.[settled])));
    for (const name of ["forecast", "past"] as const) this.set(name, at == null ? "" : this.median(name, at));
  }

  /** Return what a bar is worth in words, for who listens. */
  tell(start: number): string {
    this.point(start);
    const said = (name: string) => this.values.get(name)?.textContent ?? "";
    const known = said("close") !== NOTHING;
    const forecast = said("forecast") && `forecast ${said("forecast")}`;
    if (!known) return `${said("time")}: ${forecast || "no bar"}`;
    const part = said("part").replace("†", ", made of");
    return `${said("time")}${part}: open ${said("open")}, high ${said("high")}, low ${said("low")}, close ${said("close")}`;
  }

  private median(name: "forecast" | "past", at: number): string {
    const market = this.market!;
    const point = market[name]?.points.find(({ day }) => closingBar(day, market.interval) === at);
    if (!point) return "";
    const { lower, upper } = point.band80;
    return `${this.format.brief(point.price)} (${this.format.brief(lower)} – ${this.format.brief(upper)})`;
  }

  private *notes(): Iterable<HTMLElement> {
    const { market, forming } = this;
    if (!market) return;
    const missing = market.expected - market.present;
    if (missing > 0) {
      const swatch = element("span", "", "swatch hatched");
      const text = `${missing.toLocaleString("en")} ${missing === 1 ? "bar" : "bars"} without a price`;
      yield around("span", "pair", swatch, element("span", text, "dim"));
    }
    const short = this.parts.filter((part) => part !== null).length;
    if (short) {
      const text = `${short.toLocaleString("en")} ${short === 1 ? "day lacks" : "days lack"} hours (†)`;
      yield around("span", "pair", element("span", "", "swatch hollow"), element("span", text, "dim"));
    }
    if (forming) {
      const [swatch, through] = [element("span", "", "swatch hollow"), moment(market.dataThrough)];
      yield around("span", "pair", swatch, element("span", `not complete: prices up to ${through}`, "dim"));
    }
  }

  private band(name: "forecast" | "past", text: string): HTMLElement {
    return around("span", "pair", element("span", "", `swatch ${name}`), element("span", text, "dim"), this.value(name));
  }

  private value(name: string, kind = "figure"): HTMLElement {
    const made = element("span", NOTHING, kind);
    this.values.set(name, made);
    return made;
  }

  private set(name: string, text: string): void {
    const value = this.values.get(name);
    if (value && value.textContent !== text) value.textContent = text;
  }
}
