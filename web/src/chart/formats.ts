// Numbers and times as people read them: UTC, the same number of decimals for prices of a kind.

import type { Interval } from "./state";
import { isWithinDay } from "./intervals";

export const NOTHING = "–";

const MOST = 1e13;

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** How prices of a market are written: with as many decimals as its magnitude asks for. */
export class PriceFormat {
  readonly decimals: number;
  private readonly format: Intl.NumberFormat;

  constructor(typical: number | null) {
    const magnitude = Math.abs(typical ?? 1) || 1;
    this.decimals = magnitude >= 10 ? 2 : Math.min(8, Math.max(2, 4 - Math.floor(Math.log10(magnitude))));
    this.format = new Intl.NumberFormat("en", {
      minimumFractionDigits: this.decimals,
      maximumFractionDigits: this.decimals,
    });
  }

  write(price: number | null | undefined): string {
    return price == null ? NOTHING : written(price, this.format);
  }

  /** Return the price without decimals where they say little: for bands and axes. */
  brief(price: number | null | undefined): string {
    if (price == null) return NOTHING;
    return written(price, Math.abs(price) >= 1000 ? WHOLE : this.format);
  }

  signed(change: number | null): string {
    return change === null ? NOTHING : `${signOf(change)}${written(Math.abs(change), this.format)}`;
  }
}

const WHOLE = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const COMPACT = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 4 });
const PERCENT = new Intl.NumberFormat("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 });

export function percent(value: number | null): string {
  return value === null ? NOTHING : `${signOf(value)}${written(Math.abs(value), PERCENT)} %`;
}

/** Return a share (0 to 1) in percent. */
export function share(value: number | null): string {
  return value === null ? NOTHING : `${(100 * value).toFixed(1)} %`;
}

export function ratio(value: number | null): string {
  return value === null ? NOTHING : value.toFixed(3);
}

export function amount(value: number | null | undefined): string {
  return value == null ? NOTHING : written(value, COMPACT);
}

export function whole(value: number): string {
  return WHOLE.format(value);
}

/** Return an instant as a day: 3 Mar 2024. */
export function day(at: number | null): string {
  return at === null ? NOTHING : `${dayOfYear(at)} ${new Date(at).getUTCFullYear()}`;
}

/** Return an instant as a day of its year: 3 Mar. */
export function dayOfYear(at: number): string {
  const date = new Date(at);
  return `${date.getUTCDate()} ${MONTHS[date.getUTCMonth()]}`;
}

export function clock(at: number): string {
  return new Date(at).toISOString().slice(11, 16);
}

/** Return an instant with its time of day, which midnight has too: 3 Mar 2024, 14:00 UTC. */
export function moment(at: number | null): string {
  return at === null ? NOTHING : `${day(at)}, ${clock(at)} UTC`;
}

/** Return a bar's start as precisely as its interval is. */
export function barTime(at: number, interval: Interval): string {
  return isWithinDay(interval) ? moment(at) : day(at);
}

/** Return the calendar day of an instant as addresses and inputs have it: 2024-03-03. */
export function isoDay(at: number): string {
  return new Date(at).toISOString().slice(0, 10);
}

/** Return a number as a format has it; one that no price is, which would fill the page with digits, by its exponent. */
function written(value: number, format: Intl.NumberFormat): string {
  return Math.abs(value) < MOST ? format.format(value) : value.toExponential(2);
}

function signOf(value: number): string {
  return value < 0 ? "−" : value > 0 ? "+" : "";
}
