// The colours of the style sheet, as the canvas needs them: resolved for the theme in force.

export interface Palette {
  readonly text: string;
  readonly dim: string;
  readonly line: string;
  readonly pane: string;
  readonly up: string;
  readonly down: string;
  readonly price: string;
  readonly forecast: string;
  readonly past: string;
  readonly averages: readonly string[];
}

const AVERAGES = 6;

/** Return the colours in force: each as rgb(...). */
export function readPalette(): Palette {
  const probe = document.createElement("span");
  document.body.append(probe);
  const resolve = (name: string) => {
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color;
  };
  const palette = {
    text: resolve("text"),
    dim: resolve("dim"),
    line: resolve("line"),
    pane: resolve("pane"),
    up: resolve("up"),
    down: resolve("down"),
    price: resolve("price"),
    forecast: resolve("forecast"),
    past: resolve("past"),
    averages: Array.from({ length: AVERAGES }, (_, place) => resolve(`average-${place + 1}`)),
  };
  probe.remove();
  return palette;
}

/** Return a colour of the palette, which is opaque, with less opacity. */
export function faded(color: string, opacity: number): string {
  return color.replace(/^rgb\((.*)\)$/, `rgba($1, ${opacity})`);
}
