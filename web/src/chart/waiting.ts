// Over the chart: that it is being asked, that it takes long, and what went wrong.

import { Trouble } from "../ask";
import { element, troubleNotice } from "../notice";
import { around, button, find } from "./page";

const QUIET_MS = 400; // what is answered sooner needs no word
const LONG_SECONDS = 10;

export class Waiting {
  private readonly over = find("over", HTMLElement);
  private timer = 0;

  /** Show that an answer is waited for, until `end`; `cancel` is offered. */
  begin(cancel: () => void): void {
    this.end();
    const began = performance.now();
    const text = element("p", "Asking the API…");
    text.setAttribute("role", "status");
    const box = around("div", "waiting", text, button("Cancel", cancel));
    this.timer = setInterval(() => {
      const seconds = Math.round((performance.now() - began) / 1000);
      if (this.over.firstChild !== box) this.show(box);
      if (seconds < 2) return;
      const slow = seconds >= LONG_SECONDS ? "The API is slow: it has not answered for" : "Asking the API for";
      text.textContent = `${slow} ${seconds} s…`;
    }, QUIET_MS);
  }

  end(): void {
    clearInterval(this.timer);
    this.over.hidden = true;
    this.over.replaceChildren();
  }

  /** Show what went wrong; `again` is offered. What is not the API's trouble is the page's own fault, and said too. */
  fail(error: unknown, again: () => void): void {
    this.end();
    const trouble =
      error instanceof Trouble ? error : new Trouble("refused", `The page itself failed: ${String(error)}`);
    this.show(troubleNotice(trouble, again));
    this.over.scrollIntoView({ block: "nearest" }); // on a phone it may be out of sight
  }

  /** Show something else with what can be done. */
  say(texts: readonly string[], ...actions: HTMLElement[]): void {
    this.end();
    this.show(around("div", "notice", ...texts.map((text) => element("p", text)), ...actions));
  }

  private show(content: HTMLElement): void {
    this.over.replaceChildren(content);
    this.over.hidden = false;
  }
}
