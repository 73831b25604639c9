// The chart's page: from its address to a view, from the view to an answer, from the answer to what is seen.

import "../page.css";
import "./chart.css";
import { Trouble, ask } from "../ask";
import { followTheme } from "../theme";
import { readForming, readSymbols, type Bar } from "./answers";
import { drawBanners } from "./banners";
import { saveCsv, savePicture } from "./downloads";
import { Figures, sentence } from "./figures";
import { Forecasts } from "./forecasts";
import { PriceFormat, barTime } from "./formats";
import { DAY_MS, endOf, nameOfBars, nameOfRange } from "./intervals";
import { listen } from "./keyboard";
import { Legend } from "./legend";
import { Live } from "./live";
import { button, find } from "./page";
import { readPalette } from "./palette";
import { answer, type Answered } from "./plan";
import { PriceChart } from "./pricechart";
import { MARKETS, askForming, askView, playgroundAddress } from "./query";
import { readView, writeView, type View } from "./state";
import { BarTable } from "./table";
import { Toolbar } from "./toolbar";
import { Waiting } from "./waiting";

const DEFAULT_SYMBOL = "BTC-USD";
const MOVED_MS = 250; // after the last key: who holds one down is told once

class ChartPage {
  private view = readView(location.search);
  private answered: Answered | null = null;
  private forming: Bar | null = null;
  private symbols: string[] = [];
  private format = new PriceFormat(null);
  private asking: AbortController | null = null;
  private answerOf = "";
  private pointed: number | null = null;
  private moved = 0;

  private readonly legend = new Legend(find("legend", HTMLElement));
  private readonly figures = new Figures();
  private readonly table = new BarTable();
  private readonly waiting = new Waiting();
  private readonly live = new Live(() => void this.load(false));
  private readonly forecasts = new Forecasts((change) => this.want(change));
  private readonly toolbar = new Toolbar((change) => this.want(change));
  private readonly place = find("chart", HTMLElement);
  private readonly chart = new PriceChart(this.place, readPalette(), (start) => this.legend.point(start));

  begin(): void {
    followTheme(() => this.chart.paint(readPalette()));
    addEventListener("popstate", () => this.show(readView(location.search)));
    addEventListener("online", () => void this.load(false));
    // a phone shows the chart first, and the rarer controls when they are wanted
    find("more", HTMLDetailsElement).open = !matchMedia("(max-width: 640px)").matches;
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
    this.view = view;
    this.toolbar.draw(view, this.answered?.market ?? null);
    if (this.answered && question(view) === this.answerOf) {
      this.stopAsking();
      this.draw(this.answered, false);
    } else void this.load(true);
  }

  /** Ask for the view; `anew`: it is another than before, and nothing else may be seen meanwhile as if it were it. */
  private async load(anew: boolean): Promise<void> {
    if (!anew && this.asking) return; // it is being asked already
    this.stopAsking();
    const asking = (this.asking = new AbortController());
    const { view } = this;
    const symbol = this.symbol();
    const again = () => void this.load(true);
    if (anew) {
      this.place.ariaBusy = "true";
      this.waiting.begin(() => {
        asking.abort();
        this.waiting.say(["You cancelled the question."], button("Ask again", again));
      });
    }
    try {
      const answered = await answer(view, symbol, asking.signal);
      const forming = await this.readForming(answered, asking.signal);
      this.waiting.end();
      this.answerOf = question(view);
      this.forming = forming;
      this.draw(answered, anew);
      const { plan, market } = answered;
      this.live.follow(plan.symbol, plan.interval, !market.stale && !market.synthetic);
      if (!this.symbols.length) await this.readMarkets();
    } catch (error) {
      if (asking.signal.aborted) return;
      // what is shown stays, though it may be old by now
      if (!anew && error instanceof Trouble) this.live.fail(error.message);
      else await this.fail(error, symbol, again);
    } finally {
      if (this.asking === asking) {
        this.asking = null;
        this.place.ariaBusy = "false";
      }
    }
  }

  private stopAsking(): void {
    this.asking?.abort();
    this.asking = null;
    this.waiting.end();
    this.place.ariaBusy = "false";
  }

  /** Return the market to ask for: unless one is wanted, BTC-USD, or what there is instead. */
  private symbol(): string {
    const isThere = this.symbols.includes(DEFAULT_SYMBOL);
    return this.view.symbol ?? (isThere ? DEFAULT_SYMBOL : (this.symbols[0] ?? DEFAULT_SYMBOL));
  }

  private async fail(error: unknown, asked: string, again: () => void): Promise<void> {
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
    if (this.symbol() !== asked) return again(); // there is no BTC-USD, but there are others
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
    this.figures.draw(market, view, format);
    this.table.draw(market, forming, plan.averages, format);
    this.toolbar.draw(view, market);
    this.toolbar.offer(this.symbols, plan.symbol);
    drawBanners(answered);
    this.forecasts.draw(answered, view, format);
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

  private listenToKeys(): void {
    const leave = () => {
      this.pointed = null;
      this.chart.point(null, null);
      this.legend.point(null);
    };
    const moving = (move: () => void) => {
      move();
      clearTimeout(this.moved);
      this.moved = setTimeout(() => this.tellSeen(), MOVED_MS);
    };
    listen(this.place, {
      pan: (part) => moving(() => this.chart.pan(part)),
      zoom: (factor) => moving(() => this.chart.zoom(factor)),
      fit: () => moving(() => this.chart.fit()),
      step: (bars) => this.step(bars),
      leave,
    });
  }

  private tellSeen(): void {
    const [seen, interval] = [this.chart.seen(), this.answered?.market.interval];
    if (seen && interval) this.tell(`In view: ${seen.map((at) => barTime(at, interval)).join(" to ")}.`);
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

/** Return what of a view an answer depends on: the rest is only drawn otherwise. */
function question({ style: _, log: __, ...asked }: View): string {
  return JSON.stringify(asked);
}

new ChartPage().begin();
