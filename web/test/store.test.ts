// The store and its connection, on message texts as a server sends them: what is shown, when, and what a break does.
import { effect } from "@preact/signals";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { first_ms_max, silence_ms_max, type FeedWorld } from "../src/state/feed";
import { Store } from "../src/state/store";

/** One connection of a server that the test plays. */
class Line {
  private controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  readonly body = new ReadableStream<Uint8Array>({ start: (controller) => void (this.controller = controller) });
  closed = false;

  constructor(
    readonly url: string,
    readonly last_event_id: string | undefined,
    signal: AbortSignal,
  ) {
    signal.addEventListener("abort", () => {
      if (!this.closed) this.controller?.error(new Error("aborted"));
      this.closed = true;
    });
  }

  send(event: string, data: unknown): void {
    this.controller?.enqueue(new TextEncoder().encode(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`));
  }

  end(): void {
    this.closed = true;
    this.controller?.close();
  }
}

class World implements FeedWorld {
  readonly lines: Line[] = [];
  refuse: number | undefined;

  fetch(url: string, init: RequestInit): Promise<Response> {
    if (this.refuse !== undefined) return Promise.resolve(new Response("no", { status: this.refuse }));
    const headers = init.headers as Record<string, string>;
    if (!init.signal) throw new Error("a connection that cannot be ended");
    const line = new Line(url, headers["Last-Event-ID"], init.signal);
    this.lines.push(line);
    return Promise.resolve(new Response(line.body, { status: 200 }));
  }

  now(): number {
    return Date.now();
  }

  line(index: number): Line {
    const line = this.lines[index];
    if (!line) throw new Error(`there is no connection ${index}`);
    return line;
  }
}

let world: World;
let frames: (() => void)[];
let store: Store;

const settle = () => vi.advanceTimersByTimeAsync(0);
const frame = () => {
  for (const draw of frames.splice(0)) draw();
};
const rows = (name: string) => {
  const state = store.view(name).value;
  return state.kind === "here" ? state.rows : state.kind;
};

beforeEach(() => {
  vi.useFakeTimers();
  world = new World();
  frames = [];
  store = new Store(world, (draw) => frames.push(draw));
});

afterEach(() => {
  store.stop();
  vi.useRealTimers();
});

describe("Store", () => {
  it("shows a snapshot, then changes, all views of a tick at once and once per frame", async () => {
    store.want(["b", "a"]);
    await settle();
    expect(world.line(0).url).toBe("/api/changes?views=a,b&interval=100&missing=allow");
    const seen: string[] = [];
    const stop = effect(() => void seen.push(`${JSON.stringify(rows("a"))} ${JSON.stringify(rows("b"))}`));
    world.line(0).send("snapshot", { tick: 5, views: { a: { rows: [{ n: 1 }] }, b: { rows: [{ n: -1 }] } } });
    await settle();
    expect(rows("a")).toBe("waiting");
    frame();
    for (let n = 2; n <= 4; n++) {
      const move = (sign: number) => [
        { diff: -1, row: { n: sign * (n - 1) } },
        { diff: 1, row: { n: sign * n } },
      ];
      world.line(0).send("changes", { tick: n + 4, views: { a: move(1), b: move(-1) } });
    }
    await settle();
    expect(frames).toHaveLength(1);
    frame();
    stop();
    expect(seen).toEqual(['"waiting" "waiting"', '[{"n":1}] [{"n":-1}]', '[{"n":4}] [{"n":-4}]']);
    expect(store.tick.value).toBe(8);
    expect(store.status.value.kind).toBe("live");
  });

  it("advances its tick with heart-beats", async () => {
    store.want(["a"]);
    await settle();
    world.line(0).send("snapshot", { tick: 5, views: { a: { rows: [] } } });
    const complete = { sources: 3, behind: 0, failing: 0, finished: 0, bad_rows: 0 };
    world.line(0).send("heartbeat", { tick: 900, complete });
    world.line(0).send("heartbeat", { tick: 1900, complete: { ...complete, behind: 1 } });
    await settle();
    frame();
    expect(store.tick.value).toBe(1900);
    expect(store.complete_to.value).toBe(900);
  });

  it("says which views the server does not have", async () => {
    store.want(["a", "zzz"]);
    await settle();
    world.line(0).send("snapshot", { tick: 5, views: { a: { rows: [] } }, missing: ["zzz"] });
    await settle();
    frame();
    expect(rows("zzz")).toBe("missing");
    expect(rows("a")).toEqual([]);
  });

  it("says at once that the line is broken, keeps the numbers, and goes on from the last tick", async () => {
    store.want(["a"]);
    await settle();
    world.line(0).send("snapshot", { tick: 5, views: { a: { rows: [{ n: 1 }] } } });
    await settle();
    frame();
    world.line(0).end();
    await settle();
    expect(store.status.value).toMatchObject({ kind: "broken", reason: "the server closed the stream" });
    expect(rows("a")).toEqual([{ n: 1 }]);
    await vi.advanceTimersByTimeAsync(250);
    expect(world.line(1).last_event_id).toBe("5");
    world.line(1).send("changes", { tick: 6, views: { a: [{ diff: 1, row: { n: 2 } }] } });
    await settle();
    frame();
    expect(store.status.value.kind).toBe("live");
    expect(rows("a")).toEqual([{ n: 1 }, { n: 2 }]);
  });

  it("takes silence for a break", async () => {
    store.want(["a"]);
    await settle();
    world.line(0).send("snapshot", { tick: 5, views: { a: { rows: [] } } });
    await vi.advanceTimersByTimeAsync(silence_ms_max - 100);
    expect(store.status.value.kind).toBe("live");
    await vi.advanceTimersByTimeAsync(200);
    expect(store.status.value).toMatchObject({ kind: "broken", reason: "the server is silent" });
  });

  it("gives a busy server time for its snapshot", async () => {
    store.want(["a"]);
    await vi.advanceTimersByTimeAsync(first_ms_max - 100);
    expect(world.lines).toHaveLength(1);
    world.line(0).send("snapshot", { tick: 5, views: { a: { rows: [] } } });
    await settle();
    expect(store.status.value.kind).toBe("live");
  });

  it("goes on trying while the server refuses, and keeps saying since when", async () => {
    world.refuse = 503;
    store.want(["a"]);
    await settle();
    const first = store.status.value;
    expect(first).toMatchObject({ kind: "broken", reason: "HTTP 503" });
    await vi.advanceTimersByTimeAsync(20_000);
    expect(store.status.value.since).toBe(first.since);
    world.refuse = undefined;
    await vi.advanceTimersByTimeAsync(3000);
    world.line(0).send("snapshot", { tick: 1, views: { a: { rows: [] } } });
    await settle();
    expect(store.status.value.kind).toBe("live");
  });

  it("starts anew when the accounts do not add up", async () => {
    store.want(["a"]);
    await settle();
    world.line(0).send("snapshot", { tick: 5, views: { a: { rows: [{ n: 1 }] } } });
    world.line(0).send("changes", { tick: 6, views: { a: [{ diff: -1, row: { n: 77 } }] } });
    await settle();
    expect(store.failure.value).toContain("not there");
    await vi.advanceTimersByTimeAsync(300);
    expect(world.line(1).last_event_id).toBeUndefined();
    world.line(1).send("snapshot", { tick: 7, views: { a: { rows: [{ n: 3 }] } } });
    await settle();
    frame();
    expect(rows("a")).toEqual([{ n: 3 }]);
    expect(store.failure.value).toBeUndefined();
  });

  it("keeps what stays wanted on screen while a new stream starts, and forgets the rest", async () => {
    store.want(["a", "b"]);
    await settle();
    world.line(0).send("snapshot", { tick: 5, views: { a: { rows: [{ n: 1 }] }, b: { rows: [{ n: 2 }] } } });
    await settle();
    frame();
    store.want(["a", "c"]);
    await settle();
    expect(world.line(0).closed).toBe(true);
    expect(rows("a")).toEqual([{ n: 1 }]);
    expect(rows("b")).toBe("waiting");
    world.line(1).send("snapshot", { tick: 9, views: { a: { rows: [{ n: 4 }] }, c: { rows: [] } } });
    await settle();
    frame();
    expect(rows("a")).toEqual([{ n: 4 }]);
  });

  it("counts skipped ticks", async () => {
    store.want(["a"]);
    await settle();
    world.line(0).send("snapshot", { tick: 5, views: { a: { rows: [] } } });
    world.line(0).send("snapshot", { tick: 50, views: { a: { rows: [] } }, reason: "slow" });
    await settle();
    frame();
    expect(store.skipped.value).toBe(1);
  });
});
