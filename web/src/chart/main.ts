import "../page.css";
import { ask, Trouble } from "../ask";
import { element, troubleNotice } from "../notice";
import { followTheme } from "../theme";
import PRICE from "./price.graphql";

interface Price {
  market: { symbol: string; quote: string; price: { at: string; value: number } };
}

const main = document.querySelector("main")!;

async function show(): Promise<void> {
  try {
    const { market } = (await ask<Price>(PRICE, { symbol: "BTC-USD" })).data;
    main.replaceChildren(element("p", `${market.symbol}: ${market.price.value} ${market.quote} at ${market.price.at}`));
  } catch (error) {
    if (!(error instanceof Trouble)) throw error;
    main.replaceChildren(troubleNotice(error, show));
  }
}

followTheme();
void show();
