// A forecast as a fan: its 95 and 80 % bands and its median, as a custom series of lightweight-charts.

import { customSeriesDefaultOptions } from "lightweight-charts";
import type {
  CustomData,
  CustomSeriesOptions,
  CustomSeriesWhitespaceData,
  ICustomSeriesPaneRenderer,
  ICustomSeriesPaneView,
  PaneRendererCustomData,
  PriceToCoordinateConverter,
  Time,
  UTCTimestamp,
} from "lightweight-charts";
import type { Forecast } from "./vintages";
import { DAY_MS, endOf } from "./intervals";
import type { Interval } from "./state";
import { faded } from "./palette";

type Target = Parameters<ICustomSeriesPaneRenderer["draw"]>[0];

export interface FanPoint extends CustomData<Time> {
  readonly median: number;
  readonly lower80: number;
  readonly upper80: number;
  readonly lower95: number;
  readonly upper95: number;
}

export interface FanOptions extends CustomSeriesOptions {
  dashed: boolean;
}

/**
 * Return a forecast's points at the bars that each day closes with, from the last close that it is based on; the
 * bars in between are there without a value, so that the axis keeps its measure.
 */
export function fanOf(forecast: Forecast, interval: Interval): (FanPoint | CustomSeriesWhitespaceData<Time>)[] {
  const { lastClose: last } = forecast;
  const anchor = { median: last, lower80: last, upper80: last, lower95: last, upper95: last };
  const values = new Map([[closingBar(forecast.basedOn, interval), anchor]]);
  for (const { day, price, band80, band95 } of forecast.points) {
    values.set(closingBar(day, interval), {
      median: price,
      lower80: band80.lower,
      upper80: band80.upper,
      lower95: band95.lower,
      upper95: band95.upper,
    });
  }
  const [first, stop] = [Math.min(...values.keys()), Math.max(...values.keys())];
  const points = [];
  for (let at = first; at <= stop; at = endOf(at, interval)) {
    const time = (at / 1000) as UTCTimestamp;
    const value = values.get(at);
    points.push(value ? { time, ...value } : { time });
  }
  return points;
}

/** Return the start of the bar with which a day ends. */
export function closingBar(day: number, interval: Interval): number {
  return day + DAY_MS - (endOf(day, interval) - day);
}

export class FanView implements ICustomSeriesPaneView<Time, FanPoint, FanOptions> {
  private readonly drawing = new FanRenderer();

  renderer(): ICustomSeriesPaneRenderer {
    return this.drawing;
  }

  update(data: PaneRendererCustomData<Time, FanPoint>, options: FanOptions): void {
    this.drawing.take(data, options);
  }

  priceValueBuilder(point: FanPoint): number[] {
    return [point.lower95, point.upper95, point.median];
  }

  isWhitespace(data: FanPoint | CustomSeriesWhitespaceData<Time>): data is CustomSeriesWhitespaceData<Time> {
    return !("median" in data);
  }

  defaultOptions(): FanOptions {
    return { ...customSeriesDefaultOptions, dashed: false };
  }
}

class FanRenderer implements ICustomSeriesPaneRenderer {
  private data: PaneRendererCustomData<Time, FanPoint> | null = null;
  private options: FanOptions | null = null;

  take(data: PaneRendererCustomData<Time, FanPoint>, options: FanOptions): void {
    this.data = data;
    this.options = options;
  }

  draw(target: Target, toY: PriceToCoordinateConverter): void {
    const { data, options } = this;
    if (!data || !options || data.bars.length < 2 || !data.visibleRange) return;
    const along = (price: (point: FanPoint) => number) =>
      data.bars.map(({ x, originalData }) => [x, toY(price(originalData)) ?? 0] as const);
    target.useMediaCoordinateSpace(({ context }) => {
      const band = (lower: Path, upper: Path, opacity: number) => {
        context.fillStyle = faded(options.color, opacity);
        context.beginPath();
        trace(context, [...upper, ...lower.toReversed()]);
        context.closePath();
        context.fill();
      };
      band(along((point) => point.lower95), along((point) => point.upper95), 0.13);
      band(along((point) => point.lower80), along((point) => point.upper80), 0.2);
      context.strokeStyle = options.color;
      context.lineWidth = 2;
      context.lineJoin = "round";
      context.setLineDash(options.dashed ? [5, 4] : []);
      context.beginPath();
      trace(context, along((point) => point.median));
      context.stroke();
      context.setLineDash([]);
    });
  }
}

type Path = readonly (readonly [x: number, y: number])[];

function trace(context: CanvasRenderingContext2D, path: Path): void {
  path.forEach(([x, y], place) => (place ? context.lineTo(x, y) : context.moveTo(x, y)));
}
