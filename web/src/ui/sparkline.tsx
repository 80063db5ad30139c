// The course of a figure over the last minutes, as one quiet line without axes.
import { useComputed, type ReadonlySignal } from "@preact/signals";

/** `M x,y L x,y …` within a box of 100 × 30, the values from their least (bottom) to their greatest (top). */
export function spark_path(values: readonly (number | null)[]): string {
  const known = values.filter((value) => value !== null);
  if (known.length < 2) return "";
  const low = Math.min(...known);
  const span = Math.max(...known) - low || 1;
  const step = 100 / (values.length - 1);
  let path = "";
  let pen_up = true;
  values.forEach((value, i) => {
    if (value === null) {
      pen_up = true;
      return;
    }
    path += `${pen_up ? "M" : "L"}${(i * step).toFixed(1)},${(28 - ((value - low) / span) * 26).toFixed(1)}`;
    pen_up = false;
  });
  return path;
}

export function Sparkline({ values, tone }: { values: ReadonlySignal<readonly (number | null)[]>; tone: string }) {
  const path = useComputed(() => spark_path(values.value));
  return (
    <svg class={`spark ${tone}`} viewBox="0 0 100 30" preserveAspectRatio="none" aria-hidden="true">
      <path d={path} />
    </svg>
  );
}
