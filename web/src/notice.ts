/** Saying what went wrong and offering what can be done: to try again, to give a key. */

import { giveKey, givenKey, type Trouble } from "./ask";

/** Returns an element with a text of its own: never markup, whatever the text is. */
export function element<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  text = "",
  kind = "",
): HTMLElementTagNameMap[Name] {
  const made = document.createElement(name);
  made.textContent = text;
  if (kind) made.className = kind;
  return made;
}

/** Returns a notice of some text: of what is so, not of what went wrong. */
export function notice(text: string): HTMLElement {
  const made = element("div", "", "notice");
  made.append(element("p", text));
  return made;
}

/** Returns a notice of a trouble; `again` is called when a person has done what can be done about it. */
export function troubleNotice(trouble: Trouble, again: () => void): HTMLElement {
  const made = element("div", "", "notice bad");
  made.setAttribute("role", "alert");
  made.append(element("p", trouble.message));
  if (trouble.advice) made.append(element("p", trouble.advice));
  if (trouble.kind === "unauthenticated" || trouble.kind === "forbidden" || trouble.kind === "limited")
    made.append(keyForm(again));
  const button = element("button", "Try again");
  button.type = "button";
  button.addEventListener("click", again);
  if (trouble.retryAfter) countDown(button, trouble.retryAfter);
  made.append(button);
  return made;
}

function keyForm(again: () => void): HTMLFormElement {
  const form = element("form");
  const input = element("input");
  input.type = "password";
  input.autocomplete = "off";
  input.value = givenKey();
  input.setAttribute("aria-label", "API key");
  input.placeholder = "API key";
  form.append(input, element("button", "Use this key"));
  form.addEventListener("submit", (event) => {
    event.preventDefault(); // nothing is sent: the key is kept, and goes with the next question
    giveKey(input.value);
    again();
  });
  return form;
}

function countDown(button: HTMLButtonElement, seconds: number): void {
  const ends = Date.now() + seconds * 1000;
  const tick = () => {
    const left = Math.ceil((ends - Date.now()) / 1000);
    button.disabled = left > 0;
    button.textContent = left > 0 ? `Try again in ${left} s` : "Try again";
    if (left <= 0) clearInterval(timer);
  };
  const timer = setInterval(tick, 500);
  tick();
}
