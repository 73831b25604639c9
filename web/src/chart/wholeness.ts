// Days of which hours are missing: their highs, lows and volumes are of a part of the day only.

import type { Market } from "./answers";

const HOURS = 24;
const MINUTES = 1440;

/**
 * Return of each bar what it is made of, "20 of 24 hours", if that is less than it should be; null for all others.
 *
 * Only days can tell: one bar is a day that was loaded whole, up to 24 are hours, more are minutes. Of those an hour
 * may be missing, for nothing is traded in many a minute.
 */
export function partsOf({ bars, interval }: Market): (string | null)[] {
  return bars.observed.map((observed) => {
    if (interval !== "DAY" || observed === null || observed <= 1) return null;
    if (observed <= HOURS) return observed < HOURS ? `${observed} of ${HOURS} hours` : null;
    return observed < MINUTES - 60 ? `${observed.toLocaleString("en")} of ${MINUTES.toLocaleString("en")} minutes` : null;
  });
}
