// What each relation keeps, summed over workers and operators, and the relation that is looked at.
import { computed, signal } from "@preact/signals";

import { store, view_rows } from "../../state/page";
import { Rates } from "../../state/rate";
import type { Operator, SystemView } from "../../views";

export const views = view_rows("trueup.views");
export const operators = view_rows("trueup.operators");
export const ticks = view_rows("trueup.ticks");

const meters = new Rates();

/** Rows that come and go per second, by relation. */
export const changes = computed(() => {
  const tick = store.tick.peek();
  return new Map(
    views.value.map(({ name, changes }) => [name, changes === null ? undefined : meters.push(name, tick, changes)]),
  );
});

export interface Size {
  readonly rows: number;
  readonly bytes: number;
}

export const sizes = computed(() => {
  const found = new Map<string, Size>();
  for (const { relation, rows, bytes } of operators.value) {
    const before = found.get(relation) ?? { rows: 0, bytes: 0 };
    found.set(relation, { rows: before.rows + rows, bytes: before.bytes + bytes });
  }
  return found;
});

export const chosen = signal<string | undefined>(undefined);

export const chosen_view = computed<SystemView | undefined>(
  () => views.value.find((view) => view.name === chosen.value) ?? views.value.find((view) => view.name === "order_state"),
);

/** An operator on all workers together. */
export interface OperatorSum {
  readonly operator: string;
  readonly rows: number;
  readonly bytes: number;
  readonly last_tick: number;
  /** Rows put out per second. */
  readonly updates: number | undefined;
  /** Workers' time it takes, 1 being a whole core. */
  readonly busy: number | undefined;
}

const updates = new Rates();
const busy = new Rates();

/** The chosen relation's operators, summed over workers, those that keep most first. */
export const chosen_operators = computed<readonly OperatorSum[]>(() => {
  const name = chosen_view.value?.name;
  const found = new Map<string, Operator[]>();
  for (const row of operators.value) {
    if (row.relation === name) found.set(row.operator, [...(found.get(row.operator) ?? []), row]);
  }
  const tick = store.tick.peek();
  const sums = [...found].map(([operator, rows]) => {
    const sum = (of: (row: Operator) => number) => rows.reduce((total, row) => total + of(row), 0);
    const key = `${name ?? ""}/${operator}`;
    const per_second = busy.push(
      key,
      tick,
      sum((row) => row.busy_ms),
    );
    return {
      operator,
      rows: sum((row) => row.rows),
      bytes: sum((row) => row.bytes),
      last_tick: Math.max(...rows.map((row) => Number(row.last_tick))),
      updates: updates.push(
        key,
        tick,
        sum((row) => row.updates),
      ),
      busy: per_second === undefined ? undefined : per_second / 1000,
    };
  });
  return sums.sort((a, b) => b.bytes - a.bytes || a.operator.localeCompare(b.operator));
});

export const reads_of = (view: SystemView): string[] => view.depends_on.split(", ").filter((name) => name !== "");
