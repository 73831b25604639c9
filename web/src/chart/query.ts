// The questions that the page asks: one document for all that a view shows, another for the forecasts' record.

import type { Average, Interval, View } from "./state";

/** What of a view the API can answer; what it has refused before is left out. */
export interface Plan {
  readonly symbol: string;
  readonly range: View["range"];
  readonly interval: Interval;
  readonly averages: readonly Average[];
  readonly forecast: boolean;
  readonly asOf: string | null;
}

export interface Question {
  readonly query: string;
  readonly variables: Readonly<Record<string, unknown>>;
}

const FORECAST = `{
      issuedAt basedOn retrospective lastClose stale statement
      model { name version backtest { origins pinballRatio yearCoverage80 yearCoverage95 lastOrigin } }
      points { day horizon price actual interval(level: 80) { lower upper } wide: interval(level: 95) { lower upper } }
    }`;

/** Return the question whose answer is the whole view: columns of the bars, averages, figures and forecasts. */
export function askView(plan: Plan): Question {
  const averages = plan.averages.map(
    ({ kind, window }, place) => `
    average${place + 1}: movingAverage(range: $range, window: ${window}, kind: ${kind}, interval: $interval) {
      columns { start value }
    }`,
  );
  const forecast = plan.forecast ? `\n    forecast ${FORECAST}` : "";
  const past = plan.asOf ? `\n    past: forecast(asOf: $asOf) ${FORECAST}` : "";
  const query = `query Chart($symbol: String!, $range: RangeInput!, $interval: Interval!${plan.asOf ? ", $asOf: Date!" : ""}) {
  market(symbol: $symbol) {
    symbol quote sources synthetic
    freshness { firstBar dataThrough stale }
    price { at value }
    movement(range: $range) {
      resolved { from to }
      open close change changePercent volume volatility
      high { at value }
      low { at value }
    }
    candles(range: $range, interval: $interval) {
      resolved { from to interval clamped }
      coverage { expected present missing { from to bars } }
      warnings { code message }
      columns { start open high low close volume observed }
    }${averages.join("")}${forecast}${past}
  }
}`;
  const variables = {
    symbol: plan.symbol,
    range: typeof plan.range === "string" ? { last: plan.range } : { days: plan.range },
    interval: plan.interval,
    ...(plan.asOf ? { asOf: plan.asOf } : {}),
  };
  return { query, variables };
}

/** Return the question for the bar that has begun and is not complete, [from, to). */
export function askForming(symbol: string, interval: Interval, from: number, to: number): Question {
  const instants = { from: new Date(from).toISOString(), to: new Date(to).toISOString() };
  return {
    query: `query Forming($symbol: String!, $range: RangeInput!, $interval: Interval!) {
  market(symbol: $symbol) {
    candles(range: $range, interval: $interval, includeIncomplete: true) {
      points { start open high low close volume complete }
    }
  }
}`,
    variables: { symbol, range: { instants }, interval },
  };
}

/** Return the question for how past forecasts did. */
export function askRecord(symbol: string, includeRetrospective: boolean): Question {
  return {
    query: `query Record($symbol: String!, $includeRetrospective: Boolean!) {
  market(symbol: $symbol) {
    forecastScore(includeRetrospective: $includeRetrospective) {
      issued matured
      horizons { horizon matured pinballRatio relativeMae coverage80 coverage95 }
    }
  }
}`,
    variables: { symbol, includeRetrospective },
  };
}

export const MARKETS: Question = { query: "{ markets { symbol } }", variables: {} };

/** Return the playground's address with a question filled in. */
export function playgroundAddress(question: Question): string {
  const told = new URLSearchParams({
    query: question.query,
    variables: JSON.stringify(question.variables, null, 2),
  });
  return `/graphql?${told.toString()}`;
}
