/** Questions to begin with, about a market that the server has, up to where its data end. */

import { ask, Trouble } from "../ask";
import AVERAGES from "./examples/averages.graphql";
import CLOSED_BARS from "./examples/closed-bars.graphql";
import FORECAST from "./examples/forecast.graphql";
import LAST_MONTH from "./examples/last-month.graphql";
import LAST_WEEK from "./examples/last-week.graphql";
import TWO_DATES from "./examples/two-dates.graphql";
import NEWEST from "./newest.graphql";

export interface Example {
  title: string;
  about: string;
  query: string;
  /** As JSON. */
  variables: string;
}

/** What the examples are about: a market, and the end of its data. */
export interface Subject {
  symbol: string;
  dataThrough: Date;
}

interface Newest {
  markets: ({ symbol?: unknown; freshness?: { dataThrough?: unknown } | null } | null)[] | null;
}

const USUAL = "BTC-USD";
const PATIENCE = 2; // seconds: the playground does not wait for its examples
const DAY = 86_400_000; // ms

/** Returns what to ask about: the usual market if there is one, or if the server does not say. */
export async function findSubject(): Promise<Subject> {
  try {
    const { markets } = (await ask<Newest>(NEWEST, {}, { seconds: PATIENCE })).data;
    const found = (markets ?? []).flatMap((market) => {
      const dataThrough = new Date(String(market?.freshness?.dataThrough));
      return typeof market?.symbol === "string" && !isNaN(+dataThrough) ? [{ symbol: market.symbol, dataThrough }] : [];
    });
    const subject = found.find(({ symbol }) => symbol === USUAL) ?? found[0];
    if (subject) return subject;
  } catch (error) {
    if (!(error instanceof Trouble)) throw error; // the playground says it of the schema, which it asks for next
  }
  return { symbol: USUAL, dataThrough: new Date() };
}

/** Returns the examples about a subject. */
export function examplesOf({ symbol, dataThrough }: Subject): Example[] {
  const back = (days: number) => new Date(dataThrough.getTime() - days * DAY).toISOString().slice(0, 10);
  const example = (title: string, about: string, query: string, more: Record<string, string> = {}): Example => ({
    title,
    about,
    query,
    variables: JSON.stringify({ symbol, ...more }, null, 2),
  });
  return [
    example("Last week", "How the price moved in the last 7 days", LAST_WEEK),
    example("Last month", "Figures and daily bars of the last month", LAST_MONTH),
    example("Two dates", "How it moved between any two dates", TWO_DATES, { from: back(31), to: back(1) }),
    example("Averages", "Over 7, 30 and 200 days", AVERAGES),
    example("Forecast", "15 days, with bands of 80 and 95 %", FORECAST),
    example("Closed bars", "A subscription: each day as it is loaded", CLOSED_BARS, { after: `${back(7)}T00:00:00Z` }),
  ];
}
