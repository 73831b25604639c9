// How the price stands and how it moved: the large price, the figures beside it, and both in a sentence.

import { element } from "../notice";
import type { Extreme, Market } from "./answers";
import { NOTHING, amount, day, moment, percent, share, type PriceFormat } from "./formats";
import { nameOfRange } from "./intervals";
import { around, find } from "./page";
import type { View } from "./state";

export class Figures {
  private readonly price = find("price", HTMLElement);
  private readonly change = find("change", HTMLElement);
  private readonly asOf = find("asof", HTMLElement);
  private readonly list = find("figures", HTMLElement);

  draw(market: Market, format: PriceFormat): void {
    const { movement, price, quote } = market;
    this.price.replaceChildren(price ? format.write(price.value) : NOTHING, " ", element("small", price ? quote : ""));
    const isDown = (movement.changePercent ?? 0) < 0;
    const arrow = movement.changePercent ? (isDown ? "▼ " : "▲ ") : "";
    this.change.textContent = `${arrow}${percent(movement.changePercent)}`;
    this.change.className = `change ${isDown ? "down" : "up"}`;
    this.asOf.textContent = price ? `at ${moment(price.at)}` : "";
    // `to` is exclusive: the last day of the range is the one before
    const period = `${day(movement.from)} – ${day(movement.to === null ? null : movement.to - 1)}`;
    this.list.replaceChildren(
      figure("Change", format.signed(movement.change), period),
      figure("High", format.write(movement.high?.value), day(atOf(movement.high))),
      figure("Low", format.write(movement.low?.value), day(atOf(movement.low))),
      figure("Volume", amount(movement.volume), market.symbol.split("-")[0] ?? ""),
      figure("Volatility", share(movement.volatility), "a year"),
    );
    document.title = `${price ? format.write(price.value) : ""} ${market.symbol} · btcql`.trim();
  }

  clear(): void {
    for (const place of [this.price, this.change, this.asOf]) place.textContent = "\u00a0";
    this.list.replaceChildren();
    document.title = "btcql: the price of bitcoin";
  }
}

/** Return the figures as a sentence, for who listens. */
export function sentence(market: Market, view: View, format: PriceFormat): string {
  const { movement, price, symbol, quote } = market;
  const moved = movement.changePercent ?? 0;
  const parts = [
    `${symbol}: ${format.write(price?.value)} ${quote}`,
    `over ${nameOfRange(view.range)} ${moved < 0 ? "down" : "up"} ${Math.abs(moved).toFixed(2)} %`,
    `high ${format.write(movement.high?.value)}, low ${format.write(movement.low?.value)}`,
    `${market.present.toLocaleString("en")} bars`,
  ];
  if (market.synthetic) parts.push("these prices are made up");
  return `${parts.join("; ")}.`;
}

function figure(name: string, value: string, more: string): HTMLElement {
  return around("div", "", element("dt", name), element("dd", value, "figure"), element("dd", more, "dim"));
}

function atOf(extreme: Extreme | null): number | null {
  return extreme?.at ?? null;
}
