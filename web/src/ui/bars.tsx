// Bars in the order of their ranks: a row that changes its rank glides to its new place, its number is exact at once.
import type { ComponentChildren } from "preact";

export interface Bar {
  readonly key: string;
  readonly label: string;
  readonly note?: string;
  readonly value: string;
  /** 0..1 of the longest. */
  readonly share: number;
  readonly tone?: string;
  readonly mark?: ComponentChildren;
}

/** `slots` is how many rows the card has room for; the rest is cut, never scrolled. */
export function Bars({ bars, slots, ranked = true }: { bars: readonly Bar[]; slots: number; ranked?: boolean }) {
  // Keys in an order of their own: rows are moved by style, not in the document, or the browser would not animate them.
  const shown = bars.slice(0, slots).map((bar, rank) => ({ bar, rank }));
  shown.sort((a, b) => (a.bar.key < b.bar.key ? -1 : 1));
  return (
    <ol class="bars" style={{ "--slots": slots }}>
      {shown.map(({ bar, rank }) => (
        <li key={bar.key} style={{ "--rank": rank }} class={bar.tone ?? ""} aria-posinset={rank + 1} data-key={bar.key}>
          {ranked && <span class="rank">{rank + 1}</span>}
          <span class="label">
            {bar.label}
            {bar.note !== undefined && <small>{bar.note}</small>}
          </span>
          <span class="value">
            {bar.mark}
            {bar.value}
          </span>
          <span class="track">
            <span class="fill" style={{ transform: `scaleX(${Math.max(0, Math.min(1, bar.share)).toFixed(4)})` }} />
          </span>
        </li>
      ))}
    </ol>
  );
}
