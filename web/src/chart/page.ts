// The page's own elements: those that its HTML has, and how others are made.

import { element } from "../notice";

/** Return the page's element with an id; raises TypeError if it is not of the kind, which only the page's HTML decides. */
export function find<T extends Element>(id: string, kind: new () => T): T {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new TypeError(`the page has no ${kind.name} #${id}`);
  return found;
}

/** Return a button; `label` says more than its text to who does not see where it stands. */
export function button(text: string, act: () => void, label = ""): HTMLButtonElement {
  const made = element("button", text);
  made.type = "button";
  if (label) made.setAttribute("aria-label", label);
  made.addEventListener("click", act);
  return made;
}

/** Return an element around others. */
export function around<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  kind: string,
  ...contents: (Node | string)[]
): HTMLElementTagNameMap[Name] {
  const made = element(name, "", kind);
  made.append(...contents);
  return made;
}

/** Return a table's head cell, of a column or a row. */
export function head(text: string, scope: "col" | "row"): HTMLTableCellElement {
  const made = element("th", text);
  made.scope = scope;
  return made;
}
