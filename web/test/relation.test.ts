// A view's rows under changes, against the obvious slow way.
import { describe, expect, it } from "vitest";

import type { Change, Row } from "../src/state/protocol";
import { AccountingError, Relation } from "../src/state/relation";

const sorted = (rows: readonly Row[]) => rows.map((r) => JSON.stringify(r)).sort();

describe("Relation", () => {
  it("holds rows as often as they are there", () => {
    const relation = new Relation("v");
    relation.replace([{ a: 1 }, { a: 1 }, { a: 2 }]);
    relation.apply([{ diff: -1, row: { a: 1 } }]);
    expect(sorted(relation.rows())).toEqual(['{"a":1}', '{"a":2}']);
  });

  it("does not mind the order of changes inside a tick", () => {
    const relation = new Relation("v");
    relation.apply([
      { diff: -1, row: { a: 1 } },
      { diff: 1, row: { a: 1 } },
      { diff: 1, row: { a: 3 } },
    ]);
    expect(sorted(relation.rows())).toEqual(['{"a":3}']);
    expect(relation.size).toBe(1);
  });

  it("refuses a row that goes without having come", () => {
    const relation = new Relation("v");
    expect(() => relation.apply([{ diff: -1, row: { a: 1 } }])).toThrow(AccountingError);
  });

  it("gives the same list until something changes", () => {
    const relation = new Relation("v");
    relation.replace([{ a: 1 }]);
    const before = relation.rows();
    expect(relation.rows()).toBe(before);
    relation.apply([{ diff: 1, row: { a: 2 } }]);
    expect(relation.rows()).not.toBe(before);
  });

  it("agrees with a plain list over random histories", () => {
    let state = 12345;
    const random = (below: number) => {
      state = (Math.imul(state, 1103515245) + 12345) >>> 0;
      return (state >>> 8) % below;
    };
    for (let history = 0; history < 50; history++) {
      const relation = new Relation("v");
      let plain: Row[] = [];
      for (let tick = 0; tick < 40; tick++) {
        const changes: Change[] = [];
        const gone = plain.filter(() => random(4) === 0);
        for (const row of gone) {
          changes.push({ diff: -1, row });
          plain.splice(plain.indexOf(row), 1);
        }
        for (let i = random(5); i > 0; i--) {
          const row = { k: random(6), v: random(3) };
          changes.splice(random(changes.length + 1), 0, { diff: 1, row });
          plain = [...plain, row];
        }
        relation.apply(changes);
        expect(sorted(relation.rows())).toEqual(sorted(plain));
      }
    }
  });
});
