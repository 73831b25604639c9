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

  draw(market: Market, view: View, format: PriceFormat): void {
    const { movement, quote } = market;
    const price = priceOf(market, view);
    this.price.replaceChildren(price ? format.write(price.value) : NOTHING, " ", element("small", price ? quote : ""));
    const isDown = (movement.changePercent ?? 0) < 0;
    const arrow = movement.changePercent ? (isDown ? "▼ " : "▲ ") : "";
    this.change.textContent = `${arrow}${percent(movement.changePercent)}`;
    this.change.className = `change ${isDown ? "down" : "up"}`;
    this.asOf.textContent = price ? `at ${moment(price.at)}` : "";
    // `to` is exclusive: the last day of the range is the one before
    const isEmpty = movement.from === null || movement.to === null || movement.to <= movement.from;
    const period = isEmpty ? NOTHING : `${day(movement.from)} – ${day(movement.to - 1)}`;
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

/** Return the newest price; of two dates that are past the last one of theirs, which the change belongs to. */
function priceOf({ movement, price }: Market, view: View): Market["price"] {
  const { to, close } = movement;
  if (typeof view.range === "string" || to === null || close === null || !price?.at) return price;
  return to < price.at ? { at: to, value: close } : price;
}

/** Return the figures as a sentence, for who listens. */
export function sentence(market: Market, view: View, format: PriceFormat): string {
  const { movement, symbol, quote } = market;
  const moved = movement.changePercent;
  const how = moved === null ? "no price" : `${moved < 0 ? "down" : "up"} ${Math.abs(moved).toFixed(2)} %`;
  const parts = [
    `${symbol}: ${format.write(priceOf(market, view)?.value)} ${quote}`,
    `over ${nameOfRange(view.range)} ${how}`,
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
