// What the page shows: the views it asked for, at one tick, and how the connection stands.
// Messages are applied as they come (so nothing queues up); screens are told at most once per animation frame, and then all of
// them at once: a frame never mixes two ticks. A hidden page is told once a second.
import { batch, computed, signal, type ReadonlySignal, type Signal } from "@preact/signals";

import { Feed, type FeedStatus, type FeedWorld } from "./feed";
import type { Complete, Message, Row } from "./protocol";
import { AccountingError, Relation } from "./relation";

/** What is known of one view. */
export type ViewState =
  | { readonly kind: "waiting" }
  | { readonly kind: "missing" }
  | { readonly kind: "here"; readonly rows: readonly Row[] };

interface Held {
  readonly relation: Relation;
  readonly shown: Signal<ViewState>;
  state: "waiting" | "missing" | "here";
  dirty: boolean;
}

/** Runs `draw` soon, once: with the next frame, or within a second when the page is hidden. */
export type Schedule = (draw: () => void) => void;

const waiting: ViewState = { kind: "waiting" };

/** With the next frame; hidden pages get no frames, so a timer is their second chance. */
export const with_frames: Schedule = (draw) => {
  let done = false;
  const once = () => {
    if (done) return;
    done = true;
    cancelAnimationFrame(frame);
    clearTimeout(timer);
    draw();
  };
  const frame = requestAnimationFrame(once);
  const timer = setTimeout(once, 1000);
};

export class Store {
  /** How the connection stands. */
  readonly status: Signal<FeedStatus>;
  /** The tick everything shown is true at: the newest the server told of, for a heart-beat says that nothing changed. */
  readonly tick = signal(0);
  /** How complete the input behind that tick is; `undefined` until the server has said. */
  readonly complete = signal<Complete | undefined>(undefined);
  /** The last tick at which no source had unread input that it knew of. */
  readonly complete_to = signal<number | undefined>(undefined);
  /** How often the server skipped ticks because this page was too slow. */
  readonly skipped = signal(0);
  /** Why what was shown had to be thrown away, until it is here again. */
  readonly failure = signal<string | undefined>(undefined);

  private readonly held = new Map<string, Held>();
  private wanted: readonly string[] = [];
  private feed: Feed | undefined;
  private scheduled = false;
  private latest_tick = 0;
  private latest_complete: Complete | undefined;
  private latest_complete_to: number | undefined;

  constructor(
    private readonly world?: FeedWorld,
    private readonly schedule: Schedule = with_frames,
  ) {
    this.status = signal<FeedStatus>({ kind: "connecting", since: world?.now() ?? Date.now() });
  }

  /** What is known of a view, as a signal that changes with it. */
  view(name: string): ReadonlySignal<ViewState> {
    return this.hold(name).shown;
  }

  /**
   * Asks for exactly these views from now on. What is asked for already goes on being shown until the new stream's snapshot;
   * what is not asked for any more is forgotten.
   */
  want(names: readonly string[]): void {
    const sorted = [...new Set(names)].sort();
    if (sorted.join() === this.wanted.join() && this.feed) return;
    this.wanted = sorted;
    this.feed?.stop();
    for (const [name, held] of this.held) {
      if (sorted.includes(name)) continue;
      held.relation.replace([]);
      held.state = "waiting";
      held.shown.value = waiting;
    }
    if (sorted.length === 0) {
      this.feed = undefined;
      return;
    }
    const feed: Feed = new Feed(
      sorted,
      {
        // A feed that was replaced may still have something in hand.
        message: (message) => feed === this.feed && this.receive(message),
        status: (status) => feed === this.feed && this.stand(status),
      },
      this.world,
    );
    this.feed = feed;
    void feed.run();
  }

  /** Ends the connection. */
  stop(): void {
    this.feed?.stop();
    this.feed = undefined;
  }

  /** The network is said to be back. */
  hurry(): void {
    this.feed?.hurry();
  }

  private hold(name: string): Held {
    let held = this.held.get(name);
    if (!held) {
      held = { relation: new Relation(name), shown: signal(waiting), state: "waiting", dirty: false };
      this.held.set(name, held);
    }
    return held;
  }

  private stand(status: FeedStatus): void {
    const now = this.status.peek();
    // `since` of a live connection is when it became so, not its last message.
    if (now.kind === status.kind && status.kind !== "broken") return;
    if (now.kind === "broken" && status.kind === "broken") {
      this.status.value = { ...status, since: now.since };
      return;
    }
    this.status.value = status;
  }

  private receive(message: Message): void {
    switch (message.kind) {
      case "end":
        return;
      case "snapshot":
        this.snapshot(message);
        break;
      case "changes":
        if (!this.change(message)) return;
        break;
      case "resumed":
      case "heartbeat":
        break;
    }
    this.latest_tick = message.tick;
    if (message.complete) this.latest_complete = message.complete;
    if (message.complete?.behind === 0 && message.complete.failing === 0) this.latest_complete_to = message.tick;
    this.draw_soon();
  }

  private change(message: Message & { kind: "changes" }): boolean {
    try {
      for (const [name, changes] of Object.entries(message.views)) {
        const held = this.hold(name);
        held.relation.apply(changes);
        held.dirty = true;
      }
      return true;
    } catch (error) {
      if (!(error instanceof AccountingError)) throw error;
      this.failure.value = error.message;
      this.feed?.restart();
      return false;
    }
  }

  private snapshot(message: Message & { kind: "snapshot" }): void {
    for (const [name, { rows }] of Object.entries(message.views)) {
      const held = this.hold(name);
      held.relation.replace(rows);
      held.state = "here";
      held.dirty = true;
    }
    for (const name of message.missing ?? []) {
      const held = this.hold(name);
      held.relation.replace([]);
      held.state = "missing";
      held.dirty = true;
    }
    if (message.reason === "slow") this.skipped.value += 1;
    this.failure.value = undefined;
  }

  private draw_soon(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    this.schedule(() => {
      this.scheduled = false;
      this.draw();
    });
  }

  private draw(): void {
    batch(() => {
      this.tick.value = this.latest_tick;
      this.complete.value = this.latest_complete;
      this.complete_to.value = this.latest_complete_to;
      for (const held of this.held.values()) {
        if (!held.dirty) continue;
        held.dirty = false;
        held.shown.value = held.state === "here" ? { kind: "here", rows: held.relation.rows() } : { kind: held.state };
      }
    });
  }
}

/** The rows of a view, or none while it is not here; typed by who knows the view's columns. */
export function rows_of<T>(view: ReadonlySignal<ViewState>): ReadonlySignal<readonly T[]> {
  const none: readonly T[] = [];
  return computed(() => (view.value.kind === "here" ? (view.value.rows as unknown as readonly T[]) : none));
}
