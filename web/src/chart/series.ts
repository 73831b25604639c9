// What the series of the chart are given: bars and averages as lightweight-charts wants them. Its times are seconds.

import type {
  CandlestickData,
  HistogramData,
  LineData,
  Time,
  UTCTimestamp,
  WhitespaceData,
} from "lightweight-charts";
import type { Bar, Bars } from "./answers";
import { faded, type Palette } from "./palette";

type Item<T> = T | WhitespaceData<Time>;

const UNSEEN = "rgba(0, 0, 0, 0)";

export function timeOf(instant: number): UTCTimestamp {
  return (instant / 1000) as UTCTimestamp;
}

/** Return one candle for each bar, none where there is no price. */
export function candles(bars: Bars): Item<CandlestickData<Time>>[] {
  return bars.start.map((start, place) => {
    const [open, high, low, close] = [bars.open[place], bars.high[place], bars.low[place], bars.close[place]];
    const time = timeOf(start);
    return open == null || high == null || low == null || close == null ? { time } : { time, open, high, low, close };
  });
}

/** Return the hollow candles, which cover the full ones: of days that lack hours, and of the bar that is not complete. */
export function hollow(
  bars: Bars,
  parts: readonly (string | null)[],
  forming: Bar | null,
  palette: Palette,
): CandlestickData<Time>[] {
  const short = candles(bars).filter((item, place) => parts[place] != null && "close" in item) as CandlestickData<Time>[];
  const last = forming && { ...forming, time: timeOf(forming.start) };
  return [...short, ...(last ? [last] : [])].map(({ time, open, high, low, close }) => {
    const color = close < open ? palette.down : palette.up;
    return { time, open, high, low, close, color: palette.pane, borderColor: color, wickColor: color };
  });
}

/** Return the closes of the complete bars. */
export function closes(bars: Bars): Item<LineData<Time>>[] {
  return line(bars.start, bars.close);
}

/** Return the line from the last close to the forming bar's, which is not settled. */
export function formingLine(bars: Bars, forming: Bar | null): LineData<Time>[] {
  const place = bars.close.findLastIndex((close) => close !== null);
  const [start, close] = [bars.start[place], bars.close[place]];
  if (!forming || start == null || close == null) return [];
  return [
    { time: timeOf(start), value: close },
    { time: timeOf(forming.start), value: forming.close },
  ];
}

/** Return a line's points; where the next value is missing, the stroke up to the one after it is left out. */
export function line(
  starts: readonly number[],
  values: readonly (number | null)[],
): Item<LineData<Time>>[] {
  return starts.map((start, place) => {
    const [time, value] = [timeOf(start), values[place]];
    if (value == null) return { time };
    return values[place + 1] === null ? { time, value, color: UNSEEN } : { time, value };
  });
}

/** Return the volumes, coloured by how each bar went; the forming one's is faint. */
export function volumes(bars: Bars, forming: Bar | null, palette: Palette): Item<HistogramData<Time>>[] {
  const [up, down] = [faded(palette.up, 0.34), faded(palette.down, 0.34)];
  const items: Item<HistogramData<Time>>[] = bars.start.map((start, place) => {
    const [time, value] = [timeOf(start), bars.volume[place]];
    if (value == null) return { time };
    return { time, value, color: (bars.close[place] ?? 0) < (bars.open[place] ?? 0) ? down : up };
  });
  if (forming?.volume != null) {
    const color = faded(forming.close < forming.open ? palette.down : palette.up, 0.16);
    items.push({ time: timeOf(forming.start), value: forming.volume, color });
  }
  return items;
}
