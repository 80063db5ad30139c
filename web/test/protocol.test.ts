// The wire format: frames however the bytes are cut, messages as the server writes them.
import { describe, expect, it } from "vitest";

import { decode, FrameReader } from "../src/state/protocol";

const recorded =
  ": hello\n\n" +
  'event: snapshot\nid: 7\ndata: {"reason":"start","tick":7,"as_of":"2026-11-22T10:04:31.2Z","views":{"a":{"columns":' +
  '[{"name":"k","type":"text"}],"key":["k"],"rows":[{"k":"x","amount":"12.50"}]}},"missing":["b"]}\n\n' +
  'event: changes\r\nid: 9\r\ndata: {"tick":9,\r\ndata: "views":{"a":[{"diff":-1,"row":{"k":"x"}}]}}\r\n\r\n' +
  'event: heartbeat\nid: 11\ndata: {"tick":11,"complete":{"sources":3,"behind":0,"failing":0,"finished":1,"bad_rows":0}}\n\n' +
  "event: something-new\ndata: {}\n\n";

describe("FrameReader", () => {
  it("gives the same frames wherever the text is cut", () => {
    const whole = new FrameReader().push(recorded);
    expect(whole.map((f) => f.event)).toEqual(["snapshot", "changes", "heartbeat", "something-new"]);
    for (let cut = 0; cut <= recorded.length; cut++) {
      const reader = new FrameReader();
      const cut_frames = [...reader.push(recorded.slice(0, cut)), ...reader.push(recorded.slice(cut))];
      expect(cut_frames, `cut at ${cut}`).toEqual(whole);
    }
    const reader = new FrameReader();
    const letters = Array.from({ length: recorded.length }, (_, i) => recorded.charAt(i));
    expect(letters.flatMap((letter) => reader.push(letter))).toEqual(whole);
  });

  it("joins data lines and passes over comments and events without data", () => {
    expect(new FrameReader().push(":c\nevent: x\n\ndata: 1\ndata:2\n\n")).toEqual([
      { event: "message", data: "1\n2", id: undefined },
    ]);
  });

  it("holds an unfinished event back", () => {
    const reader = new FrameReader();
    expect(reader.push("data: 1\n")).toEqual([]);
    expect(reader.push("\n")).toHaveLength(1);
  });
});

describe("decode", () => {
  it("reads each kind and passes over unknown ones", () => {
    const [snapshot, changes, heartbeat, unknown] = new FrameReader().push(recorded).map(decode);
    expect(snapshot).toMatchObject({
      kind: "snapshot",
      tick: 7,
      reason: "start",
      views: { a: { rows: [{ k: "x", amount: "12.50" }] } },
      missing: ["b"],
    });
    expect(changes).toEqual({ kind: "changes", tick: 9, views: { a: [{ diff: -1, row: { k: "x" } }] } });
    expect(heartbeat).toMatchObject({ kind: "heartbeat", tick: 11, complete: { sources: 3, behind: 0 } });
    expect(unknown).toBeUndefined();
  });
});
