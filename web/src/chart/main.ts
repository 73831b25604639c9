// The chart's page: from its address to a view, from the view to an answer, from the answer to what is seen.

import "../page.css";
import "./chart.css";
import { Trouble, ask } from "../ask";
import { element, troubleNotice } from "../notice";
import { followTheme } from "../theme";
import { readForming, readScore, readSymbols, type Bar } from "./answers";
import { drawBanners } from "./banners";
import { saveCsv, savePicture } from "./downloads";
import { Figures, sentence } from "./figures";
import { PriceFormat, isoDay } from "./formats";
import { DAY_MS, endOf, nameOfBars, nameOfRange } from "./intervals";
import { listen } from "./keyboard";
import { Legend } from "./legend";
import { Live } from "./live";
import { button, find } from "./page";
import { readPalette } from "./palette";
import { answer, type Answered } from "./plan";
import { PriceChart } from "./pricechart";
import { MARKETS, askForming, askRecord, askView, playgroundAddress } from "./query";
import { readDay, readView, writeView, type View } from "./state";
import { BarTable } from "./table";
import { Toolbar, submitted } from "./toolbar";
import { describeForecast, describeRecord } from "./vintage";
import { Waiting } from "./waiting";

const DEFAULT_SYMBOL = "BTC-USD";
const BEFORE_DAYS = 75; // that are shown before a past forecast, and after it
const AFTER_DAYS = 20;

class ChartPage {
  private view = readView(location.search);
  private answered: Answered | null = null;
  private forming: Bar | null = null;
  private symbols: string[] = [];
  private format = new PriceFormat(null);
  private asking: AbortController | null = null;
  private pointed: number | null = null;
  private recordOf = "";

  private readonly legend = new Legend(find("legend", HTMLElement));
  private readonly figures = new Figures();
  private readonly table = new BarTable();
  private readonly waiting = new Waiting();
  private readonly live = new Live(() => void this.load(false));
  private readonly toolbar = new Toolbar((change) => this.want(change));
  private readonly place = find("chart", HTMLElement);
  private readonly chart = new PriceChart(this.place, readPalette(), (start) => this.legend.point(start));

  begin(): void {
    followTheme(() => this.chart.paint(readPalette()));
    addEventListener("popstate", () => this.show(readView(location.search)));
    addEventListener("online", () => void this.load(false));
    // a phone shows the chart first, and the rarer controls when they are wanted
    find("more", HTMLDetailsElement).open = !matchMedia("(max-width: 640px)").matches;
    this.listenToPast();
    this.listenToKeys();
    find("csv", HTMLButtonElement).addEventListener("click", () => void this.saveCsv());
    find("png", HTMLButtonElement).addEventListener("click", () => void this.savePicture());
    this.toolbar.offer([], this.view.symbol ?? DEFAULT_SYMBOL);
    this.show(this.view);
    void this.readMarkets();
  }

  /** Show a view that differs from the one before: a step in the browser's history. */
  private want(change: Partial<View>): void {
    const view = { ...this.view, ...change };
    const address = writeView(view) || location.pathname;
    if (writeView(view) !== writeView(this.view)) history.pushState(null, "", address);
    this.show(view);
  }

  private show(view: View): void {
    const before = this.view;
    this.view = view;
    this.toolbar.draw(view, this.answered?.market ?? null);
    const isDrawing = { ...view, style: before.style, log: before.log };
    if (this.answered && JSON.stringify(isDrawing) === JSON.stringify(before)) this.draw(this.answered, false);
    else void this.load(true);
  }

  /** Ask for the view; `anew`: it is another than before, and nothing else may be seen meanwhile as if it were it. */
  private async load(anew: boolean): Promise<void> {
    if (!anew && this.asking) return; // it is being asked already
    this.asking?.abort();
    const asking = (this.asking = new AbortController());
    const again = () => void this.load(true);
    if (anew) {
      this.place.ariaBusy = "true";
      this.waiting.begin(() => {
        asking.abort();
        this.waiting.say(["You cancelled the question."], button("Ask again", again));
      });
    }
    try {
      const answered = await answer(this.view, this.view.symbol ?? this.symbols[0] ?? DEFAULT_SYMBOL, asking.signal);
      const forming = await this.readForming(answered, asking.signal);
      this.waiting.end();
      this.forming = forming;
      this.draw(answered, anew);
      this.live.follow(answered.plan.symbol, answered.plan.interval);
      void this.readRecord(answered.plan.symbol);
    } catch (error) {
      if (asking.signal.aborted) return;
      await this.fail(error, again);
    } finally {
      if (this.asking === asking) {
        this.asking = null;
        this.place.ariaBusy = "false";
      }
    }
  }

  private async fail(error: unknown, again: () => void): Promise<void> {
    if (!(error instanceof Trouble && error.code === "MARKET_NOT_FOUND")) return this.waiting.fail(error, again);
    if (!this.symbols.length) await this.readMarkets();
    const { symbols } = this;
    const [first] = symbols;
    if (first === undefined) {
      return this.waiting.say(
        ["No market has been loaded yet.", "Bring prices: btcql import prices.csv, or btcql ingest, or btcql up."],
        button("Look again", again),
      );
    }
    if (this.view.symbol === null) return again(); // there is no BTC-USD, but there are others
    this.waiting.say(
      [error.message],
      ...symbols.slice(0, 8).map((symbol) => button(`Show ${symbol}`, () => this.want({ symbol }))),
    );
  }

  private async readMarkets(): Promise<void> {
    try {
      this.symbols = readSymbols((await ask<unknown>(MARKETS.query)).data);
    } catch (error) {
      if (!(error instanceof Trouble)) throw error;
      return; // the view's own question meets the same trouble, and says so
    }
    this.toolbar.offer(this.symbols, this.answered?.plan.symbol ?? this.view.symbol ?? this.symbols[0] ?? "");
  }

  /** Return the bar after the last complete one, as far as its prices are known. */
  private async readForming({ plan, market }: Answered, signal: AbortSignal): Promise<Bar | null> {
    const last = market.bars.start.at(-1);
    if (last === undefined || market.dataThrough === null) return null;
    const from = endOf(last, market.interval);
    const isPast = typeof plan.range !== "string" && Date.parse(plan.range.to) + DAY_MS <= from;
    if (isPast || from >= market.dataThrough) return null;
    const { query, variables } = askForming(plan.symbol, market.interval, from, market.dataThrough);
    const forming = readForming((await ask<unknown>(query, variables, { signal })).data);
    return forming && forming.start >= from ? forming : null;
  }

  private draw(answered: Answered, anew: boolean): void {
    const { view, forming } = this;
    const { market, plan } = answered;
    this.answered = answered;
    this.format = new PriceFormat(market.price?.value ?? null);
    const { format } = this;
    const { style, log, forecast } = view;
    this.chart.draw({ market, forming, style, log, forecast, format }, anew);
    this.legend.draw(market, forming, plan.averages, view, format);
    this.figures.draw(market, format);
    this.table.draw(market, forming, plan.averages, format);
    this.toolbar.draw(view, market);
    this.toolbar.offer(this.symbols, plan.symbol);
    drawBanners(answered);
    this.drawVintage(answered);
    find("graphql", HTMLAnchorElement).href = playgroundAddress(askView(plan));
    const name = `Price chart of ${market.symbol} in ${nameOfBars(market.interval)}, ${nameOfRange(plan.range)}`;
    this.place.setAttribute("aria-label", name);
    this.tell(sentence(market, view, format));
    if (!market.bars.start.length) this.waiting.say(["There are no prices in this range."], this.wayOut());
    performance.mark("chart drawn");
  }

  private wayOut(): HTMLElement {
    return button("Show all there is", () => this.want({ range: "ALL" }));
  }

  private drawVintage({ market, plan }: Answered): void {
    const { asOf } = this.view;
    const forecast = asOf ? market.past : market.forecast;
    const input = find("asof-day", HTMLInputElement);
    input.value = asOf ?? (market.forecast ? isoDay(market.forecast.basedOn) : input.value);
    if (market.dataThrough !== null) input.max = isoDay(market.dataThrough - 1);
    find("newest", HTMLButtonElement).disabled = asOf === null;
    const why = plan.asOf === asOf && plan.forecast === this.view.forecast ? "There is no forecast to show." : "";
    const none = this.view.forecast || asOf ? why || "The API has no such forecast: see above." : "Switched off.";
    find("vintage", HTMLElement).replaceChildren(
      ...(forecast ? describeForecast(forecast, market, this.format) : [element("p", none, "dim")]),
    );
  }

  private listenToPast(): void {
    submitted("past", () => {
      const asOf = readDay(find("asof-day", HTMLInputElement).value);
      if (!asOf) return;
      const { start } = this.answered?.market.bars ?? { start: [] };
      const at = Date.parse(asOf);
      const isSeen = at >= (start[0] ?? Infinity) && at <= (start.at(-1) ?? -Infinity);
      const around = { from: isoDay(at - BEFORE_DAYS * DAY_MS), to: isoDay(at + AFTER_DAYS * DAY_MS) };
      this.want(isSeen ? { asOf } : { asOf, range: around, bars: null });
    });
    find("newest", HTMLButtonElement).addEventListener("click", () => this.want({ asOf: null }));
    const box = find("retrospective", HTMLInputElement);
    box.addEventListener("change", () => this.answered && void this.readRecord(this.answered.plan.symbol));
  }

  /** Show how past forecasts did, once for each market and each way of counting. */
  private async readRecord(symbol: string): Promise<void> {
    const withRetrospective = find("retrospective", HTMLInputElement).checked;
    const recordOf = JSON.stringify([symbol, withRetrospective, this.answered?.market.forecast?.basedOn]);
    if (recordOf === this.recordOf) return;
    this.recordOf = recordOf;
    const place = find("record", HTMLElement);
    const { query, variables } = askRecord(symbol, withRetrospective);
    try {
      const score = readScore((await ask<unknown>(query, variables)).data);
      if (recordOf === this.recordOf) place.replaceChildren(...describeRecord(score, withRetrospective));
    } catch (error) {
      if (!(error instanceof Trouble)) throw error;
      this.recordOf = "";
      place.replaceChildren(troubleNotice(error, () => void this.readRecord(symbol)));
    }
  }

  private listenToKeys(): void {
    const leave = () => {
      this.pointed = null;
      this.chart.point(null, null);
      this.legend.point(null);
    };
    listen(this.place, {
      pan: (part) => this.chart.pan(part),
      zoom: (factor) => this.chart.zoom(factor),
      fit: () => this.chart.fit(),
      step: (bars) => this.step(bars),
      leave,
    });
  }

  private step(bars: number): void {
    const { market } = this.answered ?? {};
    if (!market?.bars.start.length) return;
    const { start, close } = market.bars;
    const last = start.length - 1;
    const before = this.pointed === null ? (bars < 0 ? last + 1 : -1) : this.pointed;
    const place = (this.pointed = Math.min(last, Math.max(0, before + bars)));
    this.chart.point(start[place]!, close[place] ?? close.findLast((price) => price !== null) ?? null);
    this.tell(this.legend.tell(start[place]!));
  }

  private async saveCsv(): Promise<void> {
    if (!this.answered) return;
    const fromApi = await saveCsv(this.answered.plan, this.answered.market);
    this.tell(fromApi ? "The bars are saved as CSV." : "The API gives no exports: what is shown is saved as CSV.");
  }

  private async savePicture(): Promise<void> {
    if (!this.answered) return;
    await savePicture(this.chart.picture(), this.answered.plan, this.answered.market);
    this.tell("A picture of the chart is saved as PNG.");
  }

  private tell(text: string): void {
    find("told", HTMLElement).textContent = text;
  }
}

new ChartPage().begin();
