// Forecasts and their record, as the API answers them.

import { fields, instant, list, number, text, type Fields } from "./json";

export interface Band {
  readonly lower: number;
  readonly upper: number;
}

export interface ForecastPoint {
  readonly day: number;
  readonly price: number;
  readonly actual: number | null;
  readonly band80: Band;
  readonly band95: Band;
}

export interface Backtest {
  readonly origins: number;
  readonly pinballRatio: number;
  readonly yearCoverage80: number;
  readonly yearCoverage95: number;
  readonly lastOrigin: string;
}

export interface Forecast {
  readonly basedOn: number;
  readonly issuedAt: number | null;
  readonly retrospective: boolean;
  readonly lastClose: number;
  readonly stale: boolean;
  readonly statement: string;
  readonly model: string;
  readonly backtest: Backtest | null;
  readonly points: readonly ForecastPoint[];
}

export interface HorizonScore {
  readonly horizon: number;
  readonly matured: number;
  readonly pinballRatio: number | null;
  readonly relativeMae: number | null;
  readonly coverage80: number | null;
  readonly coverage95: number | null;
}

export interface Score {
  readonly issued: number;
  readonly matured: number;
  readonly horizons: readonly HorizonScore[];
}

/** Return the answer to `askRecord`. */
export function readScore(data: unknown): Score {
  const score = fields(fields(fields(data)["market"])["forecastScore"]);
  return {
    issued: number(score["issued"]) ?? 0,
    matured: number(score["matured"]) ?? 0,
    horizons: list(score["horizons"]).map(fields).map((found) => ({
      horizon: number(found["horizon"]) ?? 0,
      matured: number(found["matured"]) ?? 0,
      pinballRatio: number(found["pinballRatio"]),
      relativeMae: number(found["relativeMae"]),
      coverage80: number(found["coverage80"]),
      coverage95: number(found["coverage95"]),
    })),
  };
}

/** Return the forecast that an answer holds, null if it is none. */
export function readForecast(value: unknown): Forecast | null {
  const found = fields(value);
  const [basedOn, lastClose] = [instant(found["basedOn"]), number(found["lastClose"])];
  if (basedOn === null || lastClose === null) return null;
  const model = fields(found["model"]);
  const points = list(found["points"]).flatMap((point) => readPoint(fields(point)) ?? []);
  return {
    basedOn,
    issuedAt: instant(found["issuedAt"]),
    retrospective: found["retrospective"] === true,
    lastClose,
    stale: found["stale"] === true,
    statement: text(found["statement"]),
    model: `${text(model["name"])} ${text(model["version"])}`.trim(),
    backtest: readBacktest(fields(model["backtest"])),
    points: points.filter((point, place) => point.day > (points[place - 1]?.day ?? basedOn)),
  };
}

function readPoint(point: Fields): ForecastPoint | null {
  const [day, price] = [instant(point["day"]), number(point["price"])];
  const [band80, band95] = [readBand(fields(point["interval"])), readBand(fields(point["wide"]))];
  if (day === null || price === null || !band80 || !band95) return null;
  return { day, price, actual: number(point["actual"]), band80, band95 };
}

function readBand(band: Fields): Band | null {
  const [lower, upper] = [number(band["lower"]), number(band["upper"])];
  return lower === null || upper === null ? null : { lower, upper };
}

function readBacktest(found: Fields): Backtest | null {
  const [origins, pinballRatio] = [number(found["origins"]), number(found["pinballRatio"])];
  const [yearCoverage80, yearCoverage95] = [number(found["yearCoverage80"]), number(found["yearCoverage95"])];
  if (origins === null || pinballRatio === null || yearCoverage80 === null || yearCoverage95 === null) return null;
  return { origins, pinballRatio, yearCoverage80, yearCoverage95, lastOrigin: text(found["lastOrigin"]) };
}
