// Which bars suit a range, and where a bar ends. Instants are epoch milliseconds, UTC.

import type { Days, Interval, Period } from "./state";

export const DAY_MS = 86_400_000;

const FITTED: Record<Period, Interval> = {
  WEEK: "HOUR",
  MONTH: "FOUR_HOURS",
  QUARTER: "DAY",
  YEAR: "DAY",
  ALL: "DAY",
};
const LENGTH: Partial<Record<Interval, number>> = {
  MINUTE: 60_000,
  FIVE_MINUTES: 300_000,
  FIFTEEN_MINUTES: 900_000,
  HOUR: 3_600_000,
  FOUR_HOURS: 14_400_000,
  DAY: DAY_MS,
  WEEK: 7 * DAY_MS,
};
const NAMES: Record<Interval, [bars: string, times: string]> = {
  MINUTE: ["minutes", "min"],
  FIVE_MINUTES: ["bars of 5 minutes", "× 5 min"],
  FIFTEEN_MINUTES: ["bars of 15 minutes", "× 15 min"],
  HOUR: ["hours", "h"],
  FOUR_HOURS: ["bars of 4 hours", "× 4 h"],
  DAY: ["days", "days"],
  WEEK: ["weeks", "weeks"],
  MONTH: ["months", "months"],
};
export const RANGE_NAMES: Record<Period, string> = {
  WEEK: "one week",
  MONTH: "one month",
  QUARTER: "three months",
  YEAR: "one year",
  ALL: "all there is",
};

/** Return the interval whose bars show a range well, some 90 to 400 of them (of all days, as many as there are). */
export function fitted(range: Period | Days): Interval {
  if (typeof range === "string") return FITTED[range];
  const days = (Date.parse(range.to) - Date.parse(range.from)) / DAY_MS + 1;
  return days <= 12 ? "HOUR" : days <= 60 ? "FOUR_HOURS" : "DAY";
}

/** Return where the bar that begins at `start` ends. */
export function endOf(start: number, interval: Interval): number {
  const length = LENGTH[interval];
  if (length) return start + length;
  const at = new Date(start);
  return Date.UTC(at.getUTCFullYear(), at.getUTCMonth() + 1, 1);
}

/** Return where the bar begins that holds an instant. */
export function startOf(instant: number, interval: Interval): number {
  const at = new Date(instant);
  if (interval === "MONTH") return Date.UTC(at.getUTCFullYear(), at.getUTCMonth(), 1);
  const length = LENGTH[interval] ?? DAY_MS;
  // weeks begin on Monday; 1970-01-05 was the first
  const origin = interval === "WEEK" ? 4 * DAY_MS : 0;
  return Math.floor((instant - origin) / length) * length + origin;
}

/** Return whether days can stand on an axis of these bars. */
export function showsDays(interval: Interval): boolean {
  return interval !== "WEEK" && interval !== "MONTH";
}

export function isWithinDay(interval: Interval): boolean {
  return showsDays(interval) && interval !== "DAY";
}

export function nameOfBars(interval: Interval): string {
  return NAMES[interval][0];
}

/** Return how long so many bars are: 30 days, 20 × 4 h. */
export function nameOfWindow(bars: number, interval: Interval): string {
  return `${bars} ${NAMES[interval][1]}`;
}

export function nameOfRange(range: Period | Days): string {
  return typeof range === "string" ? RANGE_NAMES[range] : `${range.from} to ${range.to}`;
}
