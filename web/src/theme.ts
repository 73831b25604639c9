/** Dark or light: as the system has it, unless a person chooses; the choice holds for all pages. */

export type Theme = "system" | "light" | "dark";

const KEPT_AS = "btcql:theme";
const dark = matchMedia("(prefers-color-scheme: dark)");

/** Returns what was chosen. */
export function chosenTheme(): Theme {
  const kept = localStorage.getItem(KEPT_AS);
  return kept === "light" || kept === "dark" ? kept : "system";
}

/** Returns what is seen. */
export function seenTheme(): "light" | "dark" {
  const chosen = chosenTheme();
  return chosen === "system" ? (dark.matches ? "dark" : "light") : chosen;
}

/** Puts the choice into force, and calls `changed` whenever what is seen changes. */
export function followTheme(changed: (seen: "light" | "dark") => void = () => {}): void {
  const select = document.querySelector<HTMLSelectElement>("#theme");
  let seen: string | undefined;
  const follow = () => {
    const chosen = chosenTheme();
    document.documentElement.style.colorScheme = chosen === "system" ? "light dark" : chosen;
    if (select) select.value = chosen;
    if (seen !== seenTheme()) changed((seen = seenTheme()) as "light" | "dark");
  };
  select?.addEventListener("change", () => {
    localStorage.setItem(KEPT_AS, select.value);
    follow();
  });
  dark.addEventListener("change", follow);
  addEventListener("storage", follow); // another page of ours
  follow();
}
