// From a view to what the API is asked, and from its refusals to what can be asked instead.

import { Trouble, ask, type Warning } from "../ask";
import { readMarket, type Market } from "./answers";
import { fitted, nameOfBars } from "./intervals";
import { askView, type Plan } from "./query";
import { INTERVALS, type Interval, type View } from "./state";

export interface Answered {
  /** The plan that was answered: what "this view as GraphQL" is. */
  readonly plan: Plan;
  readonly market: Market;
  readonly warnings: readonly Warning[];
  /** That other bars are shown than were wanted, and why, in the API's words. */
  readonly remark: string | null;
  /** Why a forecast that was wanted is not there, in the API's words. */
  readonly noForecast: string | null;
}

const NO_FORECAST = ["FORECAST_UNAVAILABLE", "FORBIDDEN"];
const MOST_ATTEMPTS = 5;

/**
 * Return what the API answers to a view: of bars that are too many or too fine the nearest it can give, and without
 * a forecast where there is none. Rejects with a Trouble, or an AbortError.
 */
export async function answer(view: View, symbol: string, signal: AbortSignal): Promise<Answered> {
  let plan: Plan = {
    symbol,
    range: view.range,
    interval: view.bars ?? fitted(view.range),
    averages: view.averages,
    forecast: view.forecast,
    asOf: view.asOf,
  };
  let whyOthers: string | null = null;
  let noForecast: string | null = null;
  for (let attempt = 1; ; attempt++) {
    try {
      const { query, variables } = askView(plan);
      const { data, warnings } = await ask<unknown>(query, variables, { signal });
      const market = readMarket(data, plan.averages.length);
      const coarse = market.warnings.some(({ code }) => code === "COARSER_BARS");
      if (view.bars || plan.interval === "DAY" || !coarse || market.present * 2 >= market.expected) {
        return { plan, market, warnings, remark: remarkOf(view, plan, whyOthers), noForecast };
      }
      plan = { ...plan, interval: "DAY" }; // most of the range has no finer bars
    } catch (error) {
      const instead = error instanceof Trouble && attempt < MOST_ATTEMPTS ? insteadOf(plan, error) : null;
      if (!instead) throw error;
      const { message } = error as Trouble;
      if (instead.interval === plan.interval) noForecast ??= message;
      else whyOthers = message; // the last one is why these bars are shown, and not those before
      plan = instead;
    }
  }
}

/** Return what is to be said of bars that were not wanted: that fitted ones are not the fitted ones is no news. */
function remarkOf({ bars }: View, { interval }: Plan, why: string | null): string | null {
  return bars && why ? `${nameOfBars(interval)} in place of ${nameOfBars(bars)}: ${why}` : null;
}

function insteadOf(plan: Plan, { code, extensions }: Trouble): Plan | null {
  const coarser = (name: string): Plan | null => {
    const interval: Interval | undefined = INTERVALS.find((known) => known === extensions[name]);
    return interval && interval !== plan.interval ? { ...plan, interval } : null;
  };
  if (code === "INTERVAL_UNSUPPORTED") return coarser("finestInterval");
  if (code === "RANGE_TOO_LARGE" || code === "QUERY_TOO_COMPLEX") return coarser("suggestedInterval");
  if (code && NO_FORECAST.includes(code)) {
    if (plan.asOf) return { ...plan, asOf: null };
    if (plan.forecast) return { ...plan, forecast: false };
  }
  return null;
}
