// Colours and sizes for canvases, read from the style sheet so that there is one palette.
import { signal, type ReadonlySignal } from "@preact/signals";

import { big, theme } from "../state/settings";

export interface Palette {
  readonly ink: string;
  readonly muted: string;
  readonly line: string;
  readonly surface: string;
  readonly placed: string;
  readonly paid: string;
  readonly earlier: string;
  readonly refund: string;
  readonly heat: readonly string[];
  readonly series: readonly string[];
  /** Pixels per rem: canvases scale with the page. */
  readonly rem: number;
  readonly font: string;
}

function read(): Palette {
  const style = getComputedStyle(document.documentElement);
  const rem = Number.parseFloat(style.fontSize);
  const color = (name: string) => style.getPropertyValue(`--${name}`).trim();
  return {
    ink: color("ink"),
    muted: color("muted"),
    line: color("line"),
    surface: color("surface"),
    placed: color("placed"),
    paid: color("paid"),
    earlier: color("earlier"),
    refund: color("refund"),
    heat: [0, 1, 2, 3, 4].map((i) => color(`heat-${i}`)),
    series: [1, 2, 3, 4, 5, 6, 7, 8].map((i) => color(`series-${i}`)),
    rem,
    font: style.getPropertyValue("--font").trim(),
  };
}

const now = signal(read());

/** The palette of the moment; changes with theme and size. */
export const palette: ReadonlySignal<Palette> = now;

// With the next frame: by then the style sheet has followed.
const refresh = () => requestAnimationFrame(() => (now.value = read()));
addEventListener("resize", refresh);
theme.subscribe(refresh);
big.subscribe(refresh);
