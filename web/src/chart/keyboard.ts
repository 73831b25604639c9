// The chart by keys: moved, zoomed, and read bar by bar.

export interface Keys {
  pan(part: number): void;
  zoom(factor: number): void;
  fit(): void;
  /** Go so many bars further with the cross. */
  step(bars: number): void;
  leave(): void;
}

const PART = 0.15;
const FACTOR = 1.3;

/** Let the keys move what is shown while `place` has the focus; keys with Ctrl, Alt or Meta stay the browser's. */
export function listen(place: HTMLElement, keys: Keys): void {
  const acts: Record<string, () => void> = {
    ArrowLeft: () => keys.pan(-PART),
    ArrowRight: () => keys.pan(PART),
    ArrowUp: () => keys.zoom(1 / FACTOR),
    ArrowDown: () => keys.zoom(FACTOR),
    "+": () => keys.zoom(1 / FACTOR),
    "-": () => keys.zoom(FACTOR),
    PageUp: () => keys.pan(-1),
    PageDown: () => keys.pan(1),
    Home: () => keys.fit(),
    "0": () => keys.fit(),
    Escape: () => keys.leave(),
    "Shift ArrowLeft": () => keys.step(-1),
    "Shift ArrowRight": () => keys.step(1),
  };
  place.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const act = (event.shiftKey ? acts[`Shift ${event.key}`] : undefined) ?? acts[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });
  place.addEventListener("blur", () => keys.leave());
}
