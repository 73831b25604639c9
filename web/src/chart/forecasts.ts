// Below the chart: the forecast in numbers, the newest or a past one, and the record of all.

import { Trouble, ask } from "../ask";
import { element, troubleNotice } from "../notice";
import { describeForecast, describeRecord } from "./description";
import { PriceFormat, isoDay } from "./formats";
import { DAY_MS } from "./intervals";
import { find } from "./page";
import type { Answered } from "./plan";
import { askRecord } from "./query";
import { readDay, type View } from "./state";
import { submitted } from "./toolbar";
import { readScore } from "./vintages";

const BEFORE_DAYS = 75; // that are shown before a past forecast, and after it
const AFTER_DAYS = 20;

export class Forecasts {
  private readonly place = find("vintage", HTMLElement);
  private readonly record = find("record", HTMLElement);
  private readonly asOf = find("asof-day", HTMLInputElement);
  private readonly newest = find("newest", HTMLButtonElement);
  private readonly retrospective = find("retrospective", HTMLInputElement);
  private answered: Answered | null = null;
  private recordOf = "";

  /** `want` is called with what is to be different in the view. */
  constructor(private readonly want: (change: Partial<View>) => void) {
    submitted("past", () => this.look(readDay(this.asOf.value)));
    this.newest.addEventListener("click", () => want({ asOf: null }));
    this.retrospective.addEventListener("change", () => void this.readRecord());
  }

  draw(answered: Answered, view: View, format: PriceFormat): void {
    this.answered = answered;
    const { market, noForecast } = answered;
    const forecast = view.asOf ? market.past : market.forecast;
    this.asOf.value = view.asOf ?? (market.forecast ? isoDay(market.forecast.basedOn) : this.asOf.value);
    if (market.dataThrough !== null) this.asOf.max = isoDay(market.dataThrough - 1);
    this.newest.disabled = view.asOf === null;
    const none = noForecast ?? (view.forecast || view.asOf ? "There is no forecast to show." : "Switched off.");
    this.place.replaceChildren(
      ...(forecast
        ? describeForecast(forecast, market, format)
        : [element("p", none, "dim")]),
    );
    void this.readRecord();
  }

  /** Show the forecast of a day, and the days around it unless they are seen already. */
  private look(asOf: string | null): void {
    if (!asOf) return;
    const { start } = this.answered?.market.bars ?? { start: [] };
    const at = Date.parse(asOf);
    const isSeen = at >= (start[0] ?? Infinity) && at <= (start.at(-1) ?? -Infinity);
    const range = { from: isoDay(at - BEFORE_DAYS * DAY_MS), to: isoDay(at + AFTER_DAYS * DAY_MS) };
    this.want(isSeen ? { asOf } : { asOf, range, bars: null });
  }

  /** Show how past forecasts did; asked once for each market, newest forecast, and way of counting. */
  private async readRecord(): Promise<void> {
    if (!this.answered) return;
    const { plan, market } = this.answered;
    const isWith = this.retrospective.checked;
    const recordOf = JSON.stringify([plan.symbol, isWith, market.forecast?.basedOn]);
    if (recordOf === this.recordOf) return;
    this.recordOf = recordOf;
    const { query, variables } = askRecord(plan.symbol, isWith);
    try {
      const score = readScore((await ask<unknown>(query, variables)).data);
      if (recordOf === this.recordOf) this.record.replaceChildren(...describeRecord(score, isWith));
    } catch (error) {
      if (!(error instanceof Trouble)) throw error;
      if (recordOf !== this.recordOf) return;
      this.recordOf = "";
      this.record.replaceChildren(troubleNotice(error, () => void this.readRecord()));
    }
  }
}
