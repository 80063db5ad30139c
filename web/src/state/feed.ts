// The page's one connection: GET /api/changes as a stream, watched, and opened again by itself.
// Guarantees: messages come in order; after a break the stream goes on from the last tick seen (Last-Event-ID) or starts with a
// snapshot, as the server decides; a line that falls silent for `silence_ms_max` counts as broken. One connection at a time.
// Native EventSource would do most of it, but gives up for good on a 503 and cannot see a silent line.
import { decode, FrameReader, type Message } from "./protocol";

/** How the connection stands. `since` is when it came to stand so, in milliseconds since the epoch. */
export type FeedStatus =
  | { readonly kind: "connecting"; readonly since: number }
  | { readonly kind: "live"; readonly since: number }
  | { readonly kind: "broken"; readonly since: number; readonly reason: string };

/** Silence after which a line counts as broken: the server's heart-beats come at least once a second. */
export const silence_ms_max = 3000;
/** How long the first message may take: a busy server needs a while to collect a snapshot, and asking again would not help it. */
export const first_ms_max = 60_000;
/** First wait before connecting again, doubled up to the last. */
export const retry_ms_min = 200;
export const retry_ms_max = 3000;

/** The server may merge the changes of so many milliseconds into one message: the page shows no more anyway. */
export const interval_ms = 100;

export interface FeedHandlers {
  message(message: Message): void;
  status(status: FeedStatus): void;
}

/** What the feed needs from the world; tests give their own. */
export interface FeedWorld {
  fetch(url: string, init: RequestInit): Promise<Response>;
  now(): number;
}

const browser: FeedWorld = { fetch: (url, init) => fetch(url, init), now: () => Date.now() };

export class Feed {
  private stopped = false;
  private abort = new AbortController();
  private last_tick: number | undefined;
  private retry_ms = retry_ms_min;
  private wake: (() => void) | undefined;

  constructor(
    private readonly views: readonly string[],
    private readonly handlers: FeedHandlers,
    private readonly world: FeedWorld = browser,
  ) {}

  /** Connects, and connects again after every break, until `stop`. */
  async run(): Promise<void> {
    this.handlers.status({ kind: "connecting", since: this.world.now() });
    while (!this.is_stopped()) {
      let reason: string;
      try {
        reason = await this.connection();
      } catch (error) {
        reason = error instanceof Error ? error.message : String(error);
      }
      if (this.is_stopped()) return;
      this.handlers.status({ kind: "broken", since: this.world.now(), reason });
      await this.pause(this.retry_ms);
      this.retry_ms = Math.min(this.retry_ms * 2, retry_ms_max);
    }
  }

  /** Ends for good. */
  stop(): void {
    this.stopped = true;
    this.abort.abort();
    this.wake?.();
  }

  /** Tries at once instead of waiting: the network is said to be back. */
  hurry(): void {
    this.retry_ms = retry_ms_min;
    this.wake?.();
  }

  /** Throws the copy away: the next connection starts with a snapshot. */
  restart(): void {
    this.last_tick = undefined;
    this.abort.abort();
  }

  /** A method, for it changes while the connection is awaited. */
  private is_stopped(): boolean {
    return this.stopped;
  }

  /** One connection from its start to its end; returns why it ended. */
  private async connection(): Promise<string> {
    this.abort = new AbortController();
    const abort = this.abort;
    const headers: Record<string, string> = { Accept: "text/event-stream" };
    if (this.last_tick !== undefined) headers["Last-Event-ID"] = String(this.last_tick);
    let silent: ReturnType<typeof setTimeout> | undefined;
    const silence = new Error("the server is silent");
    // Keep-alive comments before the snapshot do not start the watch.
    let began = false;
    const heard = (wait_ms = silence_ms_max) => {
      clearTimeout(silent);
      silent = setTimeout(() => abort.abort(silence), wait_ms);
    };
    try {
      heard(first_ms_max);
      const views = this.views.map(encodeURIComponent).join(",");
      const url = `/api/changes?views=${views}&interval=${interval_ms}&missing=allow`;
      const response = await this.world.fetch(url, { headers, signal: abort.signal, cache: "no-store" });
      if (!response.ok || !response.body) {
        // A position the server does not know any more must not be asked for for ever.
        this.last_tick = undefined;
        return `HTTP ${response.status}`;
      }
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      const frames = new FrameReader();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return "the server closed the stream";
        for (const frame of frames.push(value)) {
          const message = decode(frame);
          if (message && !abort.signal.aborted) this.deliver(message);
          began ||= message !== undefined;
        }
        if (began) heard();
      }
    } catch (error) {
      throw abort.signal.reason === silence ? silence : error;
    } finally {
      clearTimeout(silent);
      abort.abort();
    }
  }

  private deliver(message: Message): void {
    if (message.kind !== "end") {
      this.retry_ms = retry_ms_min;
      // A heart-beat's tick is a place to go on from too: all changes up to it have come.
      this.last_tick = message.tick;
      this.handlers.status({ kind: "live", since: this.world.now() });
    }
    this.handlers.message(message);
  }

  private pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
