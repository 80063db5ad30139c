// The sale's minutes in their order, and the course of each figure over the closed ones.
import { computed, type ReadonlySignal } from "@preact/signals";

import { sale, sorted_rows } from "../../state/page";
import type { SaleMinute } from "../../views";

/** All minutes of the sale that is on, the first first. */
const all = sorted_rows("sale_minutes", (a, b) => a.minute_no - b.minute_no);
export const minutes = computed(() => {
  const id = sale.value?.sale_id;
  return id === undefined ? all.value : all.value.filter((row) => row.sale_id === id);
});

/** The minutes in which orders were placed: the earlier sale's curve goes on where this one has not come yet. */
export const reached = computed(() => {
  const last = minutes.value.findLastIndex((row) => row.orders > 0);
  return minutes.value.slice(0, last + 1);
});

/** How many minutes a sparkline shows. */
export const spark_minutes = 30;

/** One figure over the last closed minutes; the running one would only seem to fall. */
export function course(figure: (row: SaleMinute) => number | null): ReadonlySignal<readonly (number | null)[]> {
  return computed(() => reached.value.slice(0, -1).slice(-spark_minutes).map(figure));
}
