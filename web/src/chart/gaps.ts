// Where bars are missing: hatched over the whole height, so that nobody takes a hole for a quiet day.

import type {
  IChartApi,
  IPrimitivePaneRenderer,
  IPrimitivePaneView,
  ISeriesPrimitive,
  SeriesAttachedParameter,
  Time,
  UTCTimestamp,
} from "lightweight-charts";
import type { Bars } from "./answers";

type Target = Parameters<IPrimitivePaneRenderer["draw"]>[0];

/** A stretch of missing bars by the starts of its first and its last, epoch milliseconds. */
export interface Gap {
  readonly first: number;
  readonly last: number;
  readonly bars: number;
}

const STEP = 7; // pixels between two lines of the hatching

/** Return the stretches of bars without a price. */
export function gapsOf(bars: Bars): Gap[] {
  const gaps: Gap[] = [];
  let from = -1;
  for (let place = 0; place <= bars.start.length; place++) {
    const isMissing = place < bars.start.length && bars.close[place] === null;
    if (isMissing && from < 0) from = place;
    if (isMissing || from < 0) continue;
    gaps.push({ first: bars.start[from]!, last: bars.start[place - 1]!, bars: place - from });
    from = -1;
  }
  return gaps;
}

/** What draws the gaps behind a series. */
export class GapHatching implements ISeriesPrimitive<Time>, IPrimitivePaneView, IPrimitivePaneRenderer {
  private chart: IChartApi | null = null;
  private readonly views = [this];
  private gaps: readonly Gap[] = [];
  private color = "";

  attached({ chart }: SeriesAttachedParameter<Time>): void {
    this.chart = chart as IChartApi;
  }

  detached(): void {
    this.chart = null;
  }

  /** Take the gaps to draw from the next painting on. */
  take(gaps: readonly Gap[], color: string): void {
    this.gaps = gaps;
    this.color = color;
  }

  paneViews(): readonly IPrimitivePaneView[] {
    return this.views;
  }

  zOrder(): "bottom" {
    return "bottom";
  }

  renderer(): IPrimitivePaneRenderer {
    return this;
  }

  draw(target: Target): void {
    const scale = this.chart?.timeScale();
    if (!scale || !this.gaps.length) return;
    const spacing = scale.options().barSpacing;
    target.useMediaCoordinateSpace(({ context, mediaSize }) => {
      context.strokeStyle = this.color;
      context.lineWidth = 1;
      for (const gap of this.gaps) {
        const left = scale.timeToCoordinate((gap.first / 1000) as UTCTimestamp);
        const right = scale.timeToCoordinate((gap.last / 1000) as UTCTimestamp);
        if (left === null || right === null) continue;
        const from = Math.max(0, left - spacing / 2);
        const to = Math.min(mediaSize.width, right + spacing / 2);
        if (to > from) hatch(context, from, Math.max(2, to - from), mediaSize.height);
      }
    });
  }
}

function hatch(context: CanvasRenderingContext2D, x: number, width: number, height: number): void {
  context.save();
  context.beginPath();
  context.rect(x, 0, width, height);
  context.clip();
  context.beginPath();
  for (let at = -height - (x % STEP); at < width; at += STEP) {
    context.moveTo(x + at, height);
    context.lineTo(x + at + height, 0);
  }
  context.stroke();
  context.restore();
}
