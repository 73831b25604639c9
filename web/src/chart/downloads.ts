// What is shown, as files: the bars as CSV, by the API's own export or made here; the chart as a picture.

import { givenKey } from "../ask";
import type { Market } from "./answers";
import { day } from "./formats";
import { nameOfBars } from "./intervals";
import type { Plan } from "./query";
import { nameOf } from "./state";

/** Return the address at which the API gives the bars of a view as CSV. */
export function exportAddress({ symbol, range, interval }: Plan): string {
  const told = new URLSearchParams({ symbol, interval });
  if (typeof range === "string") told.set("last", range);
  else for (const [name, value] of Object.entries(range)) told.set(name, value);
  return `/export/candles.csv?${told.toString()}`;
}

/** Save the bars as CSV; returns whether they came from the API, or else were made of what is shown. */
export async function saveCsv(plan: Plan, market: Market): Promise<boolean> {
  const exported = await readExport(plan);
  save(exported ?? new Blob([csvOf(plan, market)], { type: "text/csv" }), `${nameOfFile(plan)}.csv`);
  return exported !== null;
}

/** Save a picture of the chart, with what it shows written above and who made it below. */
export async function savePicture(chart: HTMLCanvasElement, plan: Plan, market: Market): Promise<void> {
  const picture = framed(chart, market);
  const blob = await new Promise<Blob | null>((resolve) => picture.toBlob(resolve, "image/png"));
  if (!blob) throw new Error("the browser could not make a picture of the chart");
  save(blob, `${nameOfFile(plan)}.png`);
}

/** Return the bars and averages that are shown as CSV (RFC 4180), nulls empty. */
export function csvOf(plan: Plan, { bars, averages }: Market): string {
  const names = ["start", "open", "high", "low", "close", "volume", ...plan.averages.map(nameOf)];
  const columns = [bars.open, bars.high, bars.low, bars.close, bars.volume, ...averages];
  const lines = bars.start.map((start, place) =>
    [new Date(start).toISOString(), ...columns.map((column) => column?.[place] ?? "")].join(","),
  );
  return `${[names.join(","), ...lines].join("\r\n")}\r\n`;
}

async function readExport(plan: Plan): Promise<Blob | null> {
  const key = givenKey();
  try {
    const response = await fetch(exportAddress(plan), { headers: key ? { authorization: `Bearer ${key}` } : {} });
    const isCsv = response.headers.get("content-type")?.startsWith("text/csv") ?? false;
    return response.ok && isCsv ? await response.blob() : null;
  } catch {
    return null; // it is not there, or broke off: what is shown is there all the same
  }
}

function framed(chart: HTMLCanvasElement, market: Market): HTMLCanvasElement {
  const ratio = devicePixelRatio;
  const [above, below, side] = [40 * ratio, 26 * ratio, 14 * ratio];
  const picture = document.createElement("canvas");
  picture.width = chart.width;
  picture.height = chart.height + above + below;
  const context = picture.getContext("2d");
  if (!context) throw new Error("the browser has no canvas to make a picture on");
  const style = getComputedStyle(document.body);
  context.fillStyle = style.backgroundColor;
  context.fillRect(0, 0, picture.width, picture.height);
  context.drawImage(chart, 0, above);
  context.textBaseline = "middle";
  const write = (text: string, x: number, y: number, font: string, color: string) => {
    context.font = font;
    context.fillStyle = color;
    context.fillText(text, x, y);
    return context.measureText(text).width;
  };
  const { bars } = market;
  const period = `${day(bars.start[0] ?? null)} – ${day(bars.start.at(-1) ?? null)}, ${nameOfBars(market.interval)}`;
  const size = (pixels: number) => `${pixels * ratio}px ${style.fontFamily}`;
  const width = write(market.symbol, side, above / 2, `600 ${size(16)}`, style.color);
  const madeUp = market.synthetic ? "SYNTHETIC: made-up prices   " : "";
  write(`${madeUp}${period}`, side + width + side, above / 2, size(13), style.color);
  const foot = "btcql · times are UTC · Charts by TradingView Lightweight Charts";
  write(foot, side, picture.height - below / 2, size(11), style.color);
  return picture;
}

function nameOfFile({ symbol, range, interval }: Plan): string {
  const period = typeof range === "string" ? range : `${range.from}_${range.to}`;
  return `${symbol}_${period}_${interval}`.replace(/[^\w.-]/g, "_");
}

function save(contents: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(contents);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
