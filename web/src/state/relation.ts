// One view as the page holds it: a multiset of rows, kept by applying changes.
// Guarantees: after each message the rows are exactly the view's at that message's tick; a row that would be there a negative
// number of times is a broken stream and is said so (AccountingError), never shown. Memory: the rows, no history.
import type { Change, Row } from "./protocol";

/** The stream took away a row that is not there: the copy is worthless and must be fetched anew. */
export class AccountingError extends Error {
  constructor(view: string, key: string) {
    super(`view ${view}: a row went that was not there: ${key}`);
    this.name = "AccountingError";
  }
}

interface Entry {
  readonly row: Row;
  count: number;
}

export class Relation {
  private readonly entries = new Map<string, Entry>();
  private listed: readonly Row[] | undefined;

  constructor(readonly name: string) {}

  /** Forgets everything and holds `rows`. */
  replace(rows: readonly Row[]): void {
    this.entries.clear();
    this.listed = undefined;
    for (const row of rows) this.add(JSON.stringify(row), row, 1);
  }

  /** Applies all changes of one tick, in any order within it. Throws AccountingError and must then be replaced. */
  apply(changes: readonly Change[]): void {
    this.listed = undefined;
    const touched: string[] = [];
    for (const { diff, row } of changes) {
      const key = JSON.stringify(row);
      this.add(key, row, diff);
      touched.push(key);
    }
    for (const key of touched) {
      const entry = this.entries.get(key);
      if (!entry) continue;
      if (entry.count < 0) throw new AccountingError(this.name, key);
      if (entry.count === 0) this.entries.delete(key);
    }
  }

  /** The rows, each as often as it is there, in no order that means anything. */
  rows(): readonly Row[] {
    if (!this.listed) {
      const rows: Row[] = [];
      for (const { row, count } of this.entries.values()) for (let i = 0; i < count; i++) rows.push(row);
      this.listed = rows;
    }
    return this.listed;
  }

  /** How many different rows are held. */
  get size(): number {
    return this.entries.size;
  }

  private add(key: string, row: Row, diff: number): void {
    const entry = this.entries.get(key);
    if (entry) entry.count += diff;
    else this.entries.set(key, { row, count: diff });
  }
}
