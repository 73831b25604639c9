// Following what is new: by subscription while there is one, else by asking again; and saying which.

import { createClient, type Client } from "graphql-ws";
import { givenKey } from "../ask";
import { find } from "./page";
import type { Interval } from "./state";

const ASKING_SECONDS = 60;
const SETTLE_MS = 400; // bars that come together are one change
const LONGEST_PAUSE_MS = 30_000;
const PING_SECONDS = 20;
const PONG_SECONDS = 10;

const LOST = "The live connection was lost";

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
  private deadline = 0;
  private isCurrent = false;
  private isConnected = false;

  /** `changed` is called when there may be something new. */
  constructor(private readonly changed: () => void) {}

  /**
   * Follow a market's bars and forecasts; what was followed before is left. `isCurrent`: its prices are real and of
   * today. Others are not called live, however well they are followed.
   */
  follow(symbol: string, interval: Interval, isCurrent: boolean): void {
    this.isCurrent = isCurrent;
    const followed = JSON.stringify([symbol, interval, givenKey()]);
    if (followed === this.followed) {
      if (this.isConnected) this.sayConnected();
      return;
    }
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
      keepAlive: PING_SECONDS * 1000,
      retryWait: (retries) => pause(Math.min(LONGEST_PAUSE_MS, 1000 * 2 ** retries)),
      lazy: false,
      onNonLazyError: () => {}, // the subscriptions are told too
      on: {
        connected: () => {
          this.stopAsking();
          this.isConnected = true;
          this.sayConnected();
          if (wasAway) this.notice(); // what came in between
        },
        // a connection that answers no ping is none, whatever the network says
        ping: (received) => {
          if (!received) this.deadline = setTimeout(() => client.terminate(), PONG_SECONDS * 1000);
        },
        pong: (received) => received && clearTimeout(this.deadline),
        closed: () => {
          clearTimeout(this.deadline);
          if (this.client !== client) return;
          wasAway = true;
          this.isConnected = false;
          this.askInstead(LOST);
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
          error: (reason) => {
            if (this.client !== client) return;
            this.followed = ""; // whoever asks again tries again
            this.askInstead(Array.isArray(reason) ? "The API takes no subscription here" : LOST);
          },
          complete: () => {},
        },
      );
    }
  }

  leave(): void {
    this.followed = "";
    this.isConnected = false;
    this.stopAsking();
    const { client } = this;
    this.client = null;
    void client?.dispose();
  }

  /** Say why what is shown may be older than it should be. */
  fail(why: string): void {
    this.say("asking", `What is shown may be old. ${why} Asking again within ${ASKING_SECONDS} seconds`);
    this.timer ||= setInterval(() => this.changed(), ASKING_SECONDS * 1000);
  }

  private askInstead(why: string): void {
    this.timer ||= setInterval(() => this.changed(), ASKING_SECONDS * 1000);
    this.say("asking", `${why}: asking again every ${ASKING_SECONDS} seconds`);
  }

  private sayConnected(): void {
    if (this.isCurrent) this.say("live", "Live");
    else this.say("connected", "Connected: new prices are shown as soon as they are loaded");
  }

  private stopAsking(): void {
    clearInterval(this.timer);
    this.timer = 0;
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
