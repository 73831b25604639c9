/** Tables of text, and how their values are written. */

import { element } from "../notice";
import type { Maybe } from "./status";

export interface Column<Row> {
  title: string;
  value: (row: Row) => string;
  /** Numbers stand on the right; they and times on one line. */
  kind?: "number" | "time";
  /** Marks what a person should look at. */
  marked?: (row: Row) => boolean;
}

const NOTHING = "–";
const LONG = 200; // characters
const PORTION = 5; // rows that a phone shows first
const narrow = matchMedia("(max-width: 640px)");
const whole = new Set<string>(); // titles of the tables that are wanted whole, also when they are made anew

/** Returns a section with a table; `none` is said where there are no rows. */
export function tableOf<Row>(title: string, rows: Maybe<Maybe<Row>[]>, columns: Column<Row>[], none: string): HTMLElement {
  const section = element("section");
  const heading = element("h2", title);
  const found = (Array.isArray(rows) ? rows : []).filter((row) => row != null);
  section.append(heading);
  if (!found.length) {
    section.append(element("p", none, "dim"));
    return section;
  }
  const table = element("table");
  const head = table.createTHead().insertRow();
  for (const column of columns) {
    const cell = element("th", column.title, column.kind);
    cell.scope = "col";
    head.append(cell);
  }
  const body = table.createTBody();
  for (const row of found) {
    const line = body.insertRow();
    for (const column of columns) {
      const value = column.value(row);
      const isLong = value.length > LONG;
      const cell = element("td", isLong ? "" : value, isLong ? "" : column.kind);
      if (isLong) cell.append(element("div", value, "long"));
      if (column.marked?.(row)) cell.classList.add("marked");
      line.append(cell);
    }
  }
  // A table wider than the page scrolls by itself, by the keyboard too.
  const frame = element("div", "", "frame");
  frame.tabIndex = 0;
  frame.setAttribute("role", "region");
  frame.setAttribute("aria-label", title);
  frame.append(table);
  section.append(frame);
  const rest = [...body.rows].slice(PORTION);
  if (narrow.matches && rest.length && !whole.has(title)) section.append(further(title, rest));
  return section;
}

/** Hides the rows, and returns the button that shows them. */
function further(title: string, rows: HTMLTableRowElement[]): HTMLButtonElement {
  const hide = (hidden: boolean) => rows.forEach((row) => (row.hidden = hidden));
  hide(true);
  const button = element("button", `Show ${rows.length} more`, "further");
  button.type = "button";
  button.setAttribute("aria-label", `Show ${rows.length} more: ${title}`);
  button.addEventListener("click", () => {
    whole.add(title);
    hide(false);
    rows[0]?.closest<HTMLElement>(".frame")?.focus(); // the button that had it is gone
    button.remove();
  });
  return button;
}

export function text(value: unknown): string {
  return value === null || value === undefined || value === "" ? NOTHING : String(value);
}

export function count(value: unknown): string {
  return typeof value === "number" ? value.toLocaleString("en") : text(value);
}

/** Writes an instant as 2024-01-11 12:30; what is none, as it is. */
export function instant(value: unknown): string {
  const found = typeof value === "string" && /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d)(:\d\d(\.\d+)?)?Z$/.exec(value);
  return found ? `${found[1]} ${found[2]}` : text(value);
}

/** Writes seconds as a person says them. */
export function age(seconds: unknown): string {
  if (typeof seconds !== "number") return text(seconds);
  const units: [number, string][] = [[86_400, "d"], [3_600, "h"], [60, "min"]];
  const [size, unit] = units.find(([size]) => seconds >= 2 * size) ?? [1, "s"];
  return `${Math.floor(seconds / size).toLocaleString("en")} ${unit}`;
}
