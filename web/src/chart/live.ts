// Following what is new: by subscription while there is one, else by asking again; and saying which.

import { createClient, type Client } from "graphql-ws";
import { givenKey } from "../ask";
import { find } from "./page";
import type { Interval } from "./state";

const ASKING_SECONDS = 60;
const SETTLE_MS = 400; // bars that come together are one change
const LONGEST_PAUSE_MS = 30_000;

const BAR_CLOSED = `subscription Bars($symbol: String!, $interval: Interval!) {
  barClosed(symbol: $symbol, interval: $interval) { start }
}`;
const FORECAST_ISSUED = `subscription Forecasts($symbol: String!) {
  forecastIssued(symbol: $symbol) { basedOn }
}`;

export class Live {
  private readonly place = find("live", HTMLElement);
  private readonly text = find("liveness", HTMLElement);
  private client: Client | null = null;
  private followed = "";
  private timer = 0;
  private settling = 0;

  /** `changed` is called when there may be something new. */
  constructor(private readonly changed: () => void) {}

  /** Follow a market's bars and forecasts; what was followed before is left. */
  follow(symbol: string, interval: Interval): void {
    const followed = JSON.stringify([symbol, interval, givenKey()]);
    if (followed === this.followed) return;
    this.leave();
    this.followed = followed;
    this.say("connecting", "Connecting for live prices…");
    const address = new URL("/graphql", location.href);
    address.protocol = address.protocol.replace("http", "ws");
    const key = givenKey();
    let wasAway = false;
    const client = createClient({
      url: address.href,
      connectionParams: key ? { authorization: `Bearer ${key}` } : {},
      retryAttempts: Infinity,
      shouldRetry: () => true,
      retryWait: (retries) => pause(Math.min(LONGEST_PAUSE_MS, 1000 * 2 ** retries)),
      lazy: false,
      onNonLazyError: () => this.askInstead("The API takes no subscriptions"),
      on: {
        connected: () => {
          clearInterval(this.timer);
          this.say("live", "Live");
          if (wasAway) this.notice(); // what came in between
        },
        closed: () => {
          if (this.client !== client) return;
          wasAway = true;
          this.askInstead("The live connection was lost");
        },
      },
    });
    this.client = client;
    for (const [query, variables] of [
      [BAR_CLOSED, { symbol, interval }],
      [FORECAST_ISSUED, { symbol }],
    ] as const) {
      client.subscribe(
        { query, variables },
        {
          next: () => this.notice(),
          error: () => this.client === client && this.askInstead("The API takes no subscription here"),
          complete: () => {},
        },
      );
    }
  }

  leave(): void {
    this.followed = "";
    clearInterval(this.timer);
    const { client } = this;
    this.client = null;
    void client?.dispose();
  }

  private askInstead(why: string): void {
    clearInterval(this.timer);
    this.timer = setInterval(() => this.changed(), ASKING_SECONDS * 1000);
    this.say("asking", `${why}: asking again every ${ASKING_SECONDS} seconds`);
  }

  private notice(): void {
    clearTimeout(this.settling);
    this.settling = setTimeout(() => this.changed(), SETTLE_MS);
  }

  private say(state: string, text: string): void {
    this.place.dataset["state"] = state;
    this.text.textContent = text;
  }
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
