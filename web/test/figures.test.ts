// The small computations behind pictures: rates, sparklines, the graph's places.
import { describe, expect, it } from "vitest";

import { direct, layout } from "../src/screens/dataflow/layout";
import { Rate, window_ms } from "../src/state/rate";
import { spark_path } from "../src/ui/sparkline";

describe("Rate", () => {
  it("is the growth per second over the window, once there is a second of it", () => {
    const rate = new Rate();
    expect(rate.push(0, 100)).toBeUndefined();
    expect(rate.push(500, 150)).toBeUndefined();
    expect(rate.push(1000, 200)).toBe(100);
    for (let tick = 1250; tick <= 60_000; tick += 250) rate.push(tick, 200 + (tick - 1000) / 20);
    expect(rate.push(60_250, 200 + 59_250 / 20)).toBeCloseTo(50);
  });

  it("forgets another server's time and keeps few samples", () => {
    const rate = new Rate();
    rate.push(1_000_000, 5000);
    expect(rate.push(10, 0)).toBeUndefined();
    for (let tick = 20; tick < 100_000; tick += 10) rate.push(tick, tick);
    const held = (rate as unknown as { samples: unknown[] }).samples.length;
    expect(held).toBeLessThanOrEqual(window_ms / 250 + 2);
  });
});

describe("spark_path", () => {
  it("spans the box and breaks where there is no value", () => {
    expect(spark_path([1, 2, null, 3])).toBe("M0.0,28.0L33.3,15.0M100.0,2.0");
    expect(spark_path([1])).toBe("");
    expect(spark_path([5, 5])).toBe("M0.0,28.0L100.0,28.0");
  });
});

describe("layout", () => {
  const reads = new Map([
    ["orders", []],
    ["payments", []],
    ["state", ["orders", "payments"]],
    ["by_sku", ["state", "orders"]],
    ["alone", ["not_there"]],
  ]);

  it("puts every view right of all it reads", () => {
    const { places, edges, columns } = layout(reads);
    expect(columns).toBe(3);
    expect(edges).toHaveLength(4);
    for (const [from, to] of edges) {
      expect(places.get(to)?.column).toBeGreaterThan(places.get(from)?.column ?? Infinity);
    }
  });

  it("leaves out what is read through something else", () => {
    const found = direct(new Map([...reads, ["top", ["by_sku", "state", "orders", "payments"]]]));
    expect(found.get("top")).toEqual(["by_sku"]);
    expect(found.get("state")).toEqual(["orders", "payments"]);
    expect(found.get("by_sku")).toEqual(["state"]);
  });

  it("gives no two views one place", () => {
    const taken = [...layout(reads).places.values()].map(({ column, row }) => `${column} ${row}`);
    expect(new Set(taken).size).toBe(taken.length);
  });

  it("survives a server that says a view reads itself", () => {
    expect(layout(new Map([["a", ["b"]], ["b", ["a"]]])).places.size).toBe(2);
  });
});
