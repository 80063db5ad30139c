// The page's store and its views as typed signals: what screens import.
import { computed, effect, type ReadonlySignal } from "@preact/signals";

import { followed, followed_always, type ViewName, type Views } from "../views";
import { screen } from "./settings";
import { rows_of, Store } from "./store";

export const store = new Store();

/** The rows of a view, none while it is not here. */
export function view_rows<N extends ViewName>(name: N): ReadonlySignal<readonly Views[N][]> {
  return rows_of<Views[N]>(store.view(name));
}

/** The rows of a view in an order. */
export function sorted_rows<N extends ViewName>(
  name: N,
  compare: (a: Views[N], b: Views[N]) => number,
): ReadonlySignal<readonly Views[N][]> {
  const rows = view_rows(name);
  return computed(() => [...rows.value].sort(compare));
}

/** The one row of the sale that is on. */
export const sale = (() => {
  const rows = view_rows("sale_now");
  return computed(() => rows.value[0]);
})();

/** Asks the server for what the screen of the moment needs, for as long as the page lives. */
export function follow_screen(): void {
  effect(() => store.want([...followed_always, ...followed[screen.value]]));
  addEventListener("online", () => store.hurry());
  addEventListener("pagehide", (event) => {
    if (!event.persisted) store.stop();
  });
}
