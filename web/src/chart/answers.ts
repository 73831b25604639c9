// From an answer's JSON to what the page shows. The contract is the schema's, but nothing here trusts it: what is
// not there, or is of another kind, becomes null or is left out, so that no answer can break the page.

import { fields, instant, list, number, text, type Fields } from "./json";
import { INTERVALS, type Interval } from "./state";
import { readForecast, type Forecast } from "./vintages";

export interface Bars {
  /** Epoch milliseconds, strictly ascending; the other columns have its length. */
  readonly start: readonly number[];
  readonly open: readonly (number | null)[];
  readonly high: readonly (number | null)[];
  readonly low: readonly (number | null)[];
  readonly close: readonly (number | null)[];
  readonly volume: readonly (number | null)[];
  /** How many base bars are behind each. */
  readonly observed: readonly (number | null)[];
}

export interface Bar {
  readonly start: number;
  readonly open: number;
  readonly high: number;
  readonly low: number;
  readonly close: number;
  readonly volume: number | null;
}

export interface Extreme {
  readonly at: number | null;
  readonly value: number;
}

export interface Movement {
  readonly from: number | null;
  readonly to: number | null;
  readonly close: number | null;
  readonly change: number | null;
  readonly changePercent: number | null;
  readonly volume: number | null;
  readonly volatility: number | null;
  readonly high: Extreme | null;
  readonly low: Extreme | null;
}

export interface Market {
  readonly symbol: string;
  readonly quote: string;
  readonly sources: readonly string[];
  readonly synthetic: boolean;
  readonly stale: boolean;
  readonly firstBar: number | null;
  readonly dataThrough: number | null;
  readonly price: Extreme | null;
  readonly movement: Movement;
  readonly interval: Interval;
  readonly expected: number;
  readonly present: number;
  readonly warnings: readonly Warning[];
  readonly bars: Bars;
  /** By place in the question; null where the answer has none that fits the bars. */
  readonly averages: readonly (readonly (number | null)[] | null)[];
  readonly forecast: Forecast | null;
  readonly past: Forecast | null;
}

export interface Warning {
  readonly code: string;
  readonly message: string;
}

/** Return the market of the answer to `askView` with so many averages. */
export function readMarket(data: unknown, averages: number): Market {
  const market = fields(fields(data)["market"]);
  const freshness = fields(market["freshness"]);
  const candles = fields(market["candles"]);
  const coverage = fields(candles["coverage"]);
  const bars = readBars(fields(candles["columns"]));
  return {
    symbol: text(market["symbol"]),
    quote: text(market["quote"]),
    sources: list(market["sources"]).map(text),
    synthetic: market["synthetic"] === true,
    stale: freshness["stale"] === true,
    firstBar: instant(freshness["firstBar"]),
    dataThrough: instant(freshness["dataThrough"]),
    price: readExtreme(market["price"]),
    movement: readMovement(fields(market["movement"])),
    interval: INTERVALS.find((name) => name === fields(candles["resolved"])["interval"]) ?? "DAY",
    expected: number(coverage["expected"]) ?? bars.start.length,
    present: number(coverage["present"]) ?? bars.start.length,
    warnings: readWarnings(candles["warnings"]),
    bars,
    averages: Array.from({ length: averages }, (_, place) =>
      readAverage(fields(fields(market[`average${place + 1}`])["columns"]), bars),
    ),
    forecast: readForecast(market["forecast"]),
    past: readForecast(market["past"]),
  };
}

/** Return the bar of the answer to `askForming`, if there is one that is not complete. */
export function readForming(data: unknown): Bar | null {
  const points = list(fields(fields(fields(data)["market"])["candles"])["points"]).map(fields);
  const point = points.find((candidate) => candidate["complete"] === false);
  if (!point) return null;
  const [start, open, high, low, close] = [
    instant(point["start"]),
    ...["open", "high", "low", "close"].map((name) => number(point[name])),
  ];
  if (start == null || open == null || high == null || low == null || close == null) return null;
  return { start, open, high, low, close, volume: number(point["volume"]) };
}

/** Return the symbols of the answer to `MARKETS`. */
export function readSymbols(data: unknown): string[] {
  return list(fields(data)["markets"])
    .map((market) => text(fields(market)["symbol"]))
    .filter((symbol) => symbol !== "");
}

export function readWarnings(value: unknown): Warning[] {
  return list(value).map(fields).map((found) => ({ code: text(found["code"]), message: text(found["message"]) }));
}

function readBars(columns: Fields): Bars {
  const starts = list(columns["start"]);
  const places: number[] = [];
  let last = -Infinity;
  starts.forEach((value, place) => {
    if (typeof value !== "number" || !Number.isFinite(value) || value <= last) return;
    places.push(place);
    last = value;
  });
  const column = (name: string) => {
    const values = list(columns[name]);
    return places.map((place) => number(values[place]));
  };
  return {
    start: places.map((place) => starts[place] as number),
    open: column("open"),
    high: column("high"),
    low: column("low"),
    close: column("close"),
    volume: column("volume"),
    observed: column("observed"),
  };
}

function readAverage(columns: Fields, bars: Bars): (number | null)[] | null {
  const [starts, values] = [list(columns["start"]), list(columns["value"])];
  if (starts.length !== bars.start.length || starts.some((start, place) => start !== bars.start[place])) return null;
  return starts.map((_, place) => number(values[place]));
}

function readMovement(movement: Fields): Movement {
  const resolved = fields(movement["resolved"]);
  return {
    from: instant(resolved["from"]),
    to: instant(resolved["to"]),
    close: number(movement["close"]),
    change: number(movement["change"]),
    changePercent: number(movement["changePercent"]),
    volume: number(movement["volume"]),
    volatility: number(movement["volatility"]),
    high: readExtreme(movement["high"]),
    low: readExtreme(movement["low"]),
  };
}

function readExtreme(value: unknown): Extreme | null {
  const found = fields(value);
  const price = number(found["value"]);
  return price === null ? null : { at: instant(found["at"]), value: price };
}
