// Questions beyond the views: POST /api/sql, read-only, and the same again when the stream says that something has changed.
// Not a timer: a page whose tick stands still asks nothing. One question at a time; the next waits for the answer before it.
import { signal, type ReadonlySignal } from "@preact/signals";

import { store } from "./page";
import type { Row, Value } from "./protocol";

export interface Answer {
  readonly tick: number;
  readonly columns: readonly { readonly name: string; readonly type: string }[];
  readonly rows: readonly (readonly Value[])[];
  readonly truncated: boolean;
}

/** What the server refused, in PostgreSQL's parts. */
export interface Refusal {
  readonly code?: string;
  readonly message: string;
  readonly detail?: string | null;
  readonly hint?: string | null;
}

export type Outcome =
  | { readonly kind: "asking" }
  | { readonly kind: "answer"; readonly answer: Answer }
  | { readonly kind: "refused"; readonly refusal: Refusal };

/** Asks once. */
export async function ask(sql: string, parameters: readonly Value[] = [], limit = 200): Promise<Outcome> {
  try {
    const response = await fetch("/api/sql", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ sql, parameters, limit, read_only: true }),
    });
    const body: unknown = await response.json();
    if (response.ok) return { kind: "answer", answer: body as Answer };
    return { kind: "refused", refusal: body as Refusal };
  } catch (error) {
    return { kind: "refused", refusal: { message: error instanceof Error ? error.message : String(error) } };
  }
}

/** How soon after an answer the next may be asked for. */
export const again_ms_min = 1000;

/** A question whose answer follows the ticks. */
export class LiveQuery {
  private readonly shown = signal<Outcome>({ kind: "asking" });
  private stopped = false;
  private asking = false;
  private asked_at = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private readonly stop_following: () => void;

  constructor(
    private readonly sql: string,
    private readonly parameters: readonly Value[] = [],
    private readonly limit = 200,
  ) {
    this.stop_following = store.tick.subscribe(() => this.soon());
  }

  get outcome(): ReadonlySignal<Outcome> {
    return this.shown;
  }

  stop(): void {
    this.stopped = true;
    clearTimeout(this.timer);
    this.stop_following();
  }

  private soon(): void {
    if (this.asking || this.timer !== undefined || document.hidden) return;
    const wait = Math.max(0, again_ms_min - (performance.now() - this.asked_at));
    this.timer = setTimeout(() => void this.once(), this.asked_at === 0 ? 0 : wait);
  }

  private async once(): Promise<void> {
    this.timer = undefined;
    this.asking = true;
    const outcome = await ask(this.sql, this.parameters, this.limit);
    this.asking = false;
    this.asked_at = performance.now();
    if (!this.stopped) this.shown.value = outcome;
  }
}

/** An answer's rows by column name; who asked knows their types. */
export function objects(outcome: Outcome): readonly Row[] {
  if (outcome.kind !== "answer") return [];
  const { columns, rows } = outcome.answer;
  return rows.map((row) => Object.fromEntries(columns.map(({ name }, i) => [name, row[i] ?? null])));
}
