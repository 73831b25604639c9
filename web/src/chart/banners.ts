// What must not be overlooked: made-up prices, old prices, and what was answered otherwise than asked.

import { element } from "../notice";
import { moment } from "./formats";
import { find } from "./page";
import type { Answered } from "./plan";

// Those that have a banner of their own, and those that the chart shows by itself.
const SAID_OTHERWISE = ["SYNTHETIC", "CLAMPED", "DOWNSAMPLED"];

export function drawBanners({ market, warnings, remark }: Answered): void {
  const banners = [];
  if (market.synthetic) {
    banners.push(banner("SYNTHETIC", "These prices are made-up sample data, not a market's.", "synthetic"));
  }
  if (market.stale) {
    const through = moment(market.dataThrough);
    banners.push(banner("STALE", `These are the last prices loaded: they end at ${through}.`, "stale"));
  }
  for (const { code, message } of [...warnings, ...market.warnings]) {
    if (!SAID_OTHERWISE.includes(code)) banners.push(banner(code, message, "remark"));
  }
  if (remark) banners.push(banner("Shown otherwise", remark, "remark"));
  find("banners", HTMLElement).replaceChildren(...banners);
}

function banner(name: string, text: string, kind: string): HTMLElement {
  const made = element("p", "", `banner ${kind}`);
  made.append(element("strong", name), ` ${text}`);
  return made;
}
