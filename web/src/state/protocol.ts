// The wire format of GET /api/changes, and nothing else of the page knows it: server-sent events in, typed messages out.
// Guarantees: a frame is delivered once, whole, however the network cut the bytes. It does not judge the rows: views.ts names them.

/** A value as the server sends it: DECIMAL, BIGINT beyond 2^53 and timestamps are texts, so that nothing is rounded. */
export type Value = string | number | boolean | null | readonly Value[] | { readonly [name: string]: Value };

/** A row of a view: column name to value. */
export type Row = Readonly<Record<string, Value>>;

/** A row that came (diff > 0) or went (diff < 0), so many times. */
export interface Change {
  readonly diff: number;
  readonly row: Row;
}

/** How complete the input is that the shown tick rests on. */
export interface Complete {
  readonly sources: number;
  /** Sources that have unread input they know of. */
  readonly behind: number;
  readonly failing: number;
  readonly finished: number;
  /** Rows that could not be read and wait for a correction. */
  readonly bad_rows: number;
}

/** Why everything is sent anew. */
export type SnapshotReason = "start" | "expired" | "slow" | "reset";

interface AtTick {
  readonly tick: number;
  readonly complete?: Complete;
}

/** What the server says on the one stream of a page. All views of a message are at its tick. */
export type Message =
  | (AtTick & {
      readonly kind: "snapshot";
      readonly reason: SnapshotReason;
      readonly views: Readonly<Record<string, { readonly rows: readonly Row[] }>>;
      /** Views asked for that this server does not have or cannot follow. */
      readonly missing?: readonly string[];
    })
  | (AtTick & { readonly kind: "changes"; readonly views: Readonly<Record<string, readonly Change[]>> })
  | (AtTick & { readonly kind: "resumed" })
  | (AtTick & { readonly kind: "heartbeat" })
  | { readonly kind: "end"; readonly reason: string; readonly message: string };

/** One server-sent event. */
export interface Frame {
  readonly event: string;
  readonly data: string;
  readonly id: string | undefined;
}

/** Cuts a stream of text into server-sent events (WHATWG HTML, section 9.2.6); keeps only the unfinished one. */
export class FrameReader {
  private rest = "";
  private event = "";
  private data: string[] = [];
  private id: string | undefined;

  /** Takes the next piece of text; returns the events it finished, in order. */
  push(text: string): Frame[] {
    const frames: Frame[] = [];
    const all = this.rest + text;
    // A CR at the very end may be half of a CRLF: it waits for what follows.
    const usable = all.endsWith("\r") ? all.length - 1 : all.length;
    const lines = all.slice(0, usable).split(/\r\n|\n|\r/);
    this.rest = (lines.pop() ?? "") + all.slice(usable);
    for (const line of lines) {
      const frame = this.line(line);
      if (frame) frames.push(frame);
    }
    return frames;
  }

  private line(line: string): Frame | undefined {
    if (line === "") return this.dispatch();
    const colon = line.indexOf(":");
    // A comment: the server's way of keeping proxies awake.
    if (colon === 0) return undefined;
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + (line[colon + 1] === " " ? 2 : 1));
    if (field === "event") this.event = value;
    else if (field === "data") this.data.push(value);
    else if (field === "id") this.id = value;
    return undefined;
  }

  private dispatch(): Frame | undefined {
    const { event, data, id } = this;
    this.event = "";
    this.data = [];
    if (data.length === 0) return undefined;
    return { event: event || "message", data: data.join("\n"), id };
  }
}

const kinds = ["snapshot", "changes", "resumed", "heartbeat", "end"] satisfies Message["kind"][];

/** Reads one event; `undefined` for a kind this page does not know (a newer server may send more). */
export function decode(frame: Frame): Message | undefined {
  const kind = kinds.find((k) => k === frame.event);
  return kind && ({ ...(JSON.parse(frame.data) as object), kind } as Message);
}
