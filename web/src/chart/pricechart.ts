// The chart itself: its series, its scales, and what part of them is seen.

import {
  CandlestickSeries,
  ColorType,
  CrosshairMode,
  HistogramSeries,
  LineSeries,
  LineStyle,
  PriceScaleMode,
  createChart,
} from "lightweight-charts";
import type { CustomSeriesWhitespaceData, IChartApi, ISeriesApi, Time } from "lightweight-charts";
import type { Bar, Market } from "./answers";
import { FanView, closingBar, fanOf, type FanOptions, type FanPoint } from "./fan";
import { PriceFormat, barTime } from "./formats";
import { GapHatching, gapsOf } from "./gaps";
import { endOf, isWithinDay, showsDays } from "./intervals";
import { faded, type Palette } from "./palette";
import type { Forecast } from "./vintages";
import { partsOf } from "./wholeness";
import { candles, closes, formingLine, hollow, line, timeOf, volumes } from "./series";

type Fan = ISeriesApi<"Custom", Time, FanPoint | CustomSeriesWhitespaceData<Time>, FanOptions>;

const ROOM = 20; // pixels
const MOST_AHEAD = 0.5; // of the width of the bars, for what is forecast

export interface Shown {
  readonly market: Market;
  readonly forming: Bar | null;
  readonly style: "candles" | "line";
  readonly log: boolean;
  readonly forecast: boolean;
  readonly format: PriceFormat;
}

export class PriceChart {
  private readonly chart: IChartApi;
  private readonly price: ISeriesApi<"Candlestick">;
  private readonly hollow: ISeriesApi<"Candlestick">;
  private readonly close: ISeriesApi<"Line">;
  private readonly unsettled: ISeriesApi<"Line">;
  private readonly volume: ISeriesApi<"Histogram">;
  private readonly fan: Fan;
  private readonly pastFan: Fan;
  private readonly averages: ISeriesApi<"Line">[] = [];
  private readonly hatching = new GapHatching();
  private shown: Shown | null = null;
  private isWhole = true;
  private places = 0; // to show when all is shown

  /** `onPoint` is told the start of the bar under the cursor (epoch milliseconds), null when there is none. */
  constructor(
    container: HTMLElement,
    private palette: Palette,
    onPoint: (start: number | null) => void,
  ) {
    this.chart = createChart(container, {
      autoSize: true,
      layout: { attributionLogo: false, fontSize: 12, panes: { enableResize: false } }, // the page's foot has it
      crosshair: { mode: CrosshairMode.Normal },
      localization: { locale: "en-GB" },
      timeScale: { minBarSpacing: 0.01, rightOffset: 0, secondsVisible: false, enableConflation: true },
      rightPriceScale: { scaleMargins: { top: 0.06, bottom: 0.2 } },
    });
    const quiet = { lastValueVisible: false, priceLineVisible: false };
    this.volume = this.chart.addSeries(HistogramSeries, { ...quiet, priceScaleId: "volume" });
    this.chart.priceScale("volume").applyOptions({ scaleMargins: { top: 0.84, bottom: 0 } });
    this.pastFan = this.chart.addCustomSeries(new FanView(), { ...quiet, dashed: true });
    this.fan = this.chart.addCustomSeries(new FanView(), quiet);
    const dotted = { priceLineStyle: LineStyle.Dotted };
    this.price = this.chart.addSeries(CandlestickSeries, { ...dotted, borderVisible: false });
    this.hollow = this.chart.addSeries(CandlestickSeries, { priceLineVisible: false }); // of the pane's colour
    this.close = this.chart.addSeries(LineSeries, { ...dotted, lineWidth: 2 });
    this.unsettled = this.chart.addSeries(LineSeries, { ...quiet, lineWidth: 2, lineStyle: LineStyle.Dotted });
    this.volume.attachPrimitive(this.hatching);
    this.chart.subscribeCrosshairMove(({ time }) => onPoint(typeof time === "number" ? time * 1000 : null));
    for (const kind of ["wheel", "pointerdown", "touchstart"] as const) {
      container.addEventListener(kind, () => (this.isWhole = false), { passive: true });
    }
    this.paint(palette);
  }

  /** Show what was answered; `anew`: from its beginning to its end, else what of it is seen stays. */
  draw(shown: Shown, anew: boolean): void {
    this.shown = shown;
    const { market, forming, format, palette } = { ...shown, palette: this.palette };
    const { bars, interval } = market;
    const scale = this.chart.timeScale();
    const seen = anew || this.isWhole ? null : scale.getVisibleLogicalRange();
    const isLine = shown.style === "line";
    this.price.setData(isLine ? [] : candles(bars));
    this.hollow.setData(isLine ? [] : hollow(bars, partsOf(market), forming, palette));
    this.hollow.applyOptions({ lastValueVisible: !!forming });
    this.price.applyOptions({ lastValueVisible: !forming, priceLineVisible: !forming });
    this.close.setData(isLine ? closes(bars) : []);
    this.unsettled.setData(isLine ? formingLine(bars, forming) : []);
    this.volume.setData(volumes(bars, forming, palette));
    this.hatching.take(gapsOf(bars), faded(palette.dim, 0.45));
    this.drawAverages(market);
    const fan = shown.forecast && canShow(market.forecast, market) ? fanOf(market.forecast, interval) : [];
    const pastFan = canShow(market.past, market) ? fanOf(market.past, interval) : [];
    this.fan.setData(fan);
    this.pastFan.setData(pastFan);
    const own = bars.start.length + (forming ? 1 : 0);
    const last = timeOf(forming?.start ?? bars.start.at(-1) ?? 0);
    const ahead = Math.max(...[fan, pastFan].map((points) => points.filter(({ time }) => Number(time) > last).length));
    // of short bars a forecast has more than anybody asked for: the rest of it is further to the right
    this.places = own + Math.min(ahead, Math.ceil(own * MOST_AHEAD));
    const whole = (bars.close.findLast((close) => close !== null) ?? 0) >= 1000;
    const minMove = whole ? 1 : 10 ** -format.decimals;
    // the room for the volumes reaches below zero where prices come near it, and no price does
    const formatter = (price: number) => (price < 0 ? "" : format.brief(price));
    const priceFormat = { type: "custom" as const, minMove, formatter };
    for (const series of [this.price, this.hollow, this.close, this.unsettled, this.fan, this.pastFan, ...this.averages]) {
      series.applyOptions({ priceFormat });
    }
    this.chart.applyOptions({
      rightPriceScale: { mode: shown.log ? PriceScaleMode.Logarithmic : PriceScaleMode.Normal },
      localization: { timeFormatter: (time: Time) => barTime(Number(time) * 1000, interval) },
      timeScale: { timeVisible: isWithinDay(interval) },
    });
    if (seen) scale.setVisibleLogicalRange(seen);
    else this.fit();
  }

  /** Take the colours of a theme. */
  paint(palette: Palette): void {
    this.palette = palette;
    const { up, down, line: rule } = palette;
    this.chart.applyOptions({
      layout: {
        background: { type: ColorType.Solid, color: palette.pane },
        textColor: palette.dim,
        fontFamily: getComputedStyle(document.body).fontFamily,
      },
      grid: { vertLines: { color: faded(rule, 0.6) }, horzLines: { color: faded(rule, 0.6) } },
      rightPriceScale: { borderColor: rule },
      timeScale: { borderColor: rule },
      crosshair: {
        vertLine: { color: palette.dim, labelBackgroundColor: palette.dim },
        horzLine: { color: palette.dim, labelBackgroundColor: palette.dim },
      },
    });
    this.price.applyOptions({
      ...{ upColor: up, wickUpColor: up },
      ...{ downColor: down, wickDownColor: down },
    });
    this.close.applyOptions({ color: palette.price });
    this.unsettled.applyOptions({ color: palette.price });
    this.fan.applyOptions({ color: palette.forecast });
    this.pastFan.applyOptions({ color: palette.past });
    if (this.shown) this.draw(this.shown, false);
  }

  /** Show all that there is. */
  fit(): void {
    const scale = this.chart.timeScale();
    // a little room, so that neither the first bar nor its label is cut
    const room = (this.places * ROOM) / Math.max(ROOM, scale.width());
    if (this.places) scale.setVisibleLogicalRange({ from: -0.5 - room, to: this.places - 0.5 });
    this.isWhole = true;
  }

  /** Move what is seen by a part of its width: to later bars if `part` is positive. */
  pan(part: number): void {
    this.see(({ from, to }) => ({ from: from + part * (to - from), to: to + part * (to - from) }));
  }

  /** Show `factor` times as many bars around the same middle. */
  zoom(factor: number): void {
    this.see(({ from, to }) => {
      const [middle, half] = [(from + to) / 2, Math.max(2.5, ((to - from) / 2) * factor)];
      return { from: middle - half, to: middle + half };
    });
  }

  /** Put the cross on a bar; null takes it away. */
  point(start: number | null, price: number | null): void {
    if (start === null || price === null) this.chart.clearCrosshairPosition();
    else this.chart.setCrosshairPosition(price, timeOf(start), this.fan);
  }

  /** Return the starts of the first and the last bar that are seen, epoch milliseconds; null while there is none. */
  seen(): [first: number, last: number] | null {
    const seen = this.chart.timeScale().getVisibleRange();
    return seen && [Number(seen.from) * 1000, Number(seen.to) * 1000];
  }

  /** Return a picture of the chart as it is seen. */
  picture(): HTMLCanvasElement {
    return this.chart.takeScreenshot(true);
  }

  private see(change: (seen: { from: number; to: number }) => { from: number; to: number }): void {
    const seen = this.chart.timeScale().getVisibleLogicalRange();
    if (!seen) return;
    this.isWhole = false;
    this.chart.timeScale().setVisibleLogicalRange(change(seen));
  }

  private drawAverages(market: Market): void {
    while (this.averages.length > market.averages.length) this.chart.removeSeries(this.averages.pop()!);
    market.averages.forEach((values, place) => {
      const color = this.palette.averages[place] ?? this.palette.text;
      const series = (this.averages[place] ??= this.chart.addSeries(LineSeries, {
        ...{ lastValueVisible: false, priceLineVisible: false, lineWidth: 2, crosshairMarkerRadius: 3 },
      }));
      series.applyOptions({ color });
      series.setData(values ? line(market.bars.start, values) : []);
    });
  }
}

/** Return whether a forecast begins among the bars, which are fine enough to show its days. */
export function canShow(forecast: Forecast | null, market: Market): forecast is Forecast {
  const [first, last] = [market.bars.start[0], market.bars.start.at(-1)];
  if (!forecast?.points.length || first === undefined || last === undefined) return false;
  const anchor = closingBar(forecast.basedOn, market.interval);
  return showsDays(market.interval) && anchor >= first && anchor <= endOf(last, market.interval);
}
