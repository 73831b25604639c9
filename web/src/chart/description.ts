// A forecast in words and numbers: what was said, what has happened since, and how past ones did.

import { element } from "../notice";
import type { Market } from "./answers";
import { NOTHING, day, dayOfYear, moment, ratio, share, whole, type PriceFormat } from "./formats";
import { DAY_MS } from "./intervals";
import { around, head } from "./page";
import type { Forecast, Score } from "./vintages";

const SHOWN_HORIZONS = [1, 3, 7, 15];

/** Return what there is to say of a forecast, the newest or a past one. */
export function describeForecast(forecast: Forecast, market: Market, format: PriceFormat): Node[] {
  const issued = `Issued ${moment(forecast.issuedAt)}, of the days up to ${day(forecast.basedOn)}, when the price closed at `;
  const basis = around("p", "", issued, element("strong", `${format.write(forecast.lastClose)} ${market.quote}`), ".");
  const told = [basis];
  if (forecast.retrospective) {
    told.push(element("p", "Computed afterwards: nobody could have read it on that day.", "remark"));
  }
  if (forecast.stale) told.push(element("p", `STALE: ${whyStale(forecast)}`, "remark"));
  const happened = forecast.points.filter(({ actual }) => actual !== null);
  if (happened.length) told.push(element("p", outcome(forecast)));
  return [
    ...told,
    around("div", "scroll", tableOf(forecast, format, happened.length > 0)),
    element("p", forecast.statement, "dim"),
    ...backtest(forecast),
  ];
}

/** Return the record of past forecasts, by days ahead. */
export function describeRecord(score: Score, withRetrospective: boolean): Node[] {
  if (!score.issued) {
    const more = withRetrospective ? "" : " Those computed afterwards do not count here, unless you want them to.";
    return [element("p", `No forecast has been issued in time yet.${more}`, "dim")];
  }
  const issued = `${whole(score.issued)} issued, ${whole(score.matured)} of them with a day that has come.`;
  const rows = score.horizons
    .filter(({ horizon }) => SHOWN_HORIZONS.includes(horizon))
    .map((found) =>
      around(
        "tr",
        "",
        head(`${found.horizon} ${found.horizon === 1 ? "day" : "days"}`, "row"),
        element("td", whole(found.matured)),
        element("td", share(found.coverage80)),
        element("td", share(found.coverage95)),
        element("td", ratio(found.pinballRatio)),
        element("td", ratio(found.relativeMae)),
      ),
    );
  const names = ["Ahead", "Came", "In 80 %", "In 95 %", "Loss", "Error"];
  const meaning =
    "In 80 %, in 95 %: the share of outcomes that the band held. Loss: the pinball loss over that of plain history, " +
    "error: the median's over that of “tomorrow is as today”; below 1 is better.";
  return [
    element("p", issued),
    around("div", "scroll", table("How past forecasts did, by days ahead", names, rows)),
    element("p", meaning, "dim"),
  ];
}

function tableOf(forecast: Forecast, format: PriceFormat, withActual: boolean): HTMLTableElement {
  const names = ["Day", "Median", "80 % between", "95 % between", ...(withActual ? ["Came"] : [])];
  const rows = forecast.points.map(({ day: at, price, band80, band95, actual }) => {
    const cells = [price, band80, band95].map((value) =>
      element(
        "td",
        typeof value === "number" ? format.brief(value) : `${format.brief(value.lower)} – ${format.brief(value.upper)}`,
      ),
    );
    if (withActual) {
      const held = actual === null ? "" : within(actual, band80) ? "in80" : within(actual, band95) ? "in95" : "out";
      const cell = element("td", actual === null ? NOTHING : format.brief(actual), held);
      if (held) cell.append(element("span", { in80: " in 80 %", in95: " in 95 %", out: " outside" }[held], "held"));
      cells.push(cell);
    }
    return around("tr", "", head(dayOfYear(at), "row"), ...cells);
  });
  return table(`The forecast of ${day(forecast.basedOn)}`, names, rows);
}

function whyStale({ points }: Forecast): string {
  // today by the visitor's clock: the API does not tell its own, and it is a matter of days
  const unknown = points.filter(({ day: at, actual }) => actual === null && at + DAY_MS <= Date.now());
  if (points.length && unknown.length === points.length) {
    return "all of its days are past, and no price of them has been loaded. It says what was expected before them.";
  }
  if (unknown.length) return `${unknown.length} of its days are past, and their prices have not been loaded yet.`;
  return "newer prices have been loaded since: the next forecast is due.";
}

function outcome({ points }: Forecast): string {
  const came = points.filter(({ actual }) => actual !== null);
  const held = (band: "band80" | "band95") => came.filter((point) => within(point.actual!, point[band])).length;
  return `Of the ${came.length} days that have come, the 80 % band held ${held("band80")}, the 95 % band ${held("band95")}.`;
}

function backtest({ backtest: found, model }: Forecast): Node[] {
  if (!found) return [element("p", `Model ${model}. How it would have done is not known here yet.`, "dim")];
  const text =
    `Model ${model}. In the year of backtests up to ${found.lastOrigin} the 80 % band held ${share(found.yearCoverage80)} ` +
    `of what came, the 95 % band ${share(found.yearCoverage95)}; the pinball loss was ${ratio(found.pinballRatio)} of ` +
    `plain history's, over ${whole(found.origins)} origins.`;
  return [element("p", text, "dim")];
}

function table(caption: string, names: readonly string[], rows: readonly HTMLTableRowElement[]): HTMLTableElement {
  const top = around("thead", "", around("tr", "", ...names.map((name) => head(name, "col"))));
  return around("table", "", element("caption", caption, "unseen"), top, around("tbody", "", ...rows));
}

function within(value: number, band: { lower: number; upper: number }): boolean {
  return band.lower <= value && value <= band.upper;
}
