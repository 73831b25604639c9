// What is looked at, and how it is written in the page's address: whatever is as usual is left out.

export const PERIODS = ["WEEK", "MONTH", "QUARTER", "YEAR", "ALL"] as const;
export type Period = (typeof PERIODS)[number];

export const INTERVALS = [
  "MINUTE",
  "FIVE_MINUTES",
  "FIFTEEN_MINUTES",
  "HOUR",
  "FOUR_HOURS",
  "DAY",
  "WEEK",
  "MONTH",
] as const;
export type Interval = (typeof INTERVALS)[number];

export const KINDS = ["SIMPLE", "EXPONENTIAL", "WEIGHTED"] as const;
export type Kind = (typeof KINDS)[number];

export interface Average {
  readonly kind: Kind;
  readonly window: number;
}

/** Calendar days (YYYY-MM-DD), both included. */
export interface Days {
  readonly from: string;
  readonly to: string;
}

export interface View {
  /** null: BTC-USD, or else the first market there is. */
  readonly symbol: string | null;
  readonly range: Period | Days;
  /** null: fitted to the range. */
  readonly bars: Interval | null;
  readonly style: "candles" | "line";
  readonly log: boolean;
  readonly averages: readonly Average[];
  readonly forecast: boolean;
  /** The day (YYYY-MM-DD) whose forecast is shown beside the newest one. */
  readonly asOf: string | null;
}

export const USUAL: View = {
  symbol: null,
  range: "YEAR",
  bars: null,
  style: "candles",
  log: false,
  averages: [],
  forecast: true,
  asOf: null,
};

export const MOST_AVERAGES = 6;
export const MOST_WINDOW = 1000;

/** Return the view that an address's parameters tell; what cannot be read is as usual. */
export function readView(search: string): View {
  const given = new URLSearchParams(search);
  const from = readDay(given.get("from"));
  const to = readDay(given.get("to"));
  return {
    symbol: given.get("symbol") || null,
    range: from && to && from <= to ? { from, to } : (among(PERIODS, given.get("range")) ?? USUAL.range),
    bars: among(INTERVALS, given.get("bars")),
    style: given.get("style") === "line" ? "line" : "candles",
    log: given.get("scale") === "log",
    averages: readAverages(given.get("averages") ?? ""),
    forecast: given.get("forecast") !== "off",
    asOf: readDay(given.get("asOf")),
  };
}

/** Return the address's parameters of a view, with their question mark, or "" for the usual view. */
export function writeView(view: View): string {
  const told = new URLSearchParams();
  if (view.symbol !== null) told.set("symbol", view.symbol);
  if (typeof view.range === "string") {
    if (view.range !== USUAL.range) told.set("range", view.range);
  } else {
    told.set("from", view.range.from);
    told.set("to", view.range.to);
  }
  if (view.bars) told.set("bars", view.bars);
  if (view.style !== USUAL.style) told.set("style", view.style);
  if (view.log) told.set("scale", "log");
  if (view.averages.length) told.set("averages", view.averages.map(nameOf).join("."));
  if (!view.forecast) told.set("forecast", "off");
  if (view.asOf) told.set("asOf", view.asOf);
  const text = told.toString();
  return text && `?${text}`;
}

/** Return the name that tells an average from the others: EXPONENTIAL-50. */
export function nameOf(average: Average): string {
  return `${average.kind}-${average.window}`;
}

/** Return the day if the text is one that there is: YYYY-MM-DD. */
export function readDay(text: string | null): string | null {
  if (!text || !/^\d{4}-\d\d-\d\d$/.test(text)) return null;
  const at = new Date(`${text}T00:00:00Z`);
  return !Number.isNaN(at.getTime()) && at.toISOString().startsWith(text) ? text : null;
}

function readAverages(text: string): Average[] {
  const found = new Map<string, Average>();
  for (const part of text.split(".")) {
    const [name, digits] = part.split("-");
    const kind = among(KINDS, name ?? null);
    const window = Number(digits);
    if (!kind || !Number.isInteger(window) || window < 1 || window > MOST_WINDOW) continue;
    found.set(nameOf({ kind, window }), { kind, window });
  }
  return [...found.values()].slice(0, MOST_AVERAGES);
}

function among<T extends string>(words: readonly T[], text: string | null): T | null {
  return words.find((word) => word === text) ?? null;
}
