// A framed figure: its title, the tick it is true at, and its content, or why there is none.
import { Component, type ComponentChildren } from "preact";
import { computed, useComputed, type ReadonlySignal } from "@preact/signals";

import { store, view_rows } from "../state/page";
import { format, t } from "../state/settings";
import { amount_number, type ViewName } from "../views";

const quality = view_rows("channel_quality");

/** Rows that wait in quarantine, over all channels. */
export const quarantined = computed(() => quality.value.reduce((sum, row) => sum + amount_number(row.quarantined), 0));

/** "complete to …, n sources, n quarantined": how far what is shown rests on everything received. */
export const completeness = computed(() => {
  const complete = store.complete.value;
  if (!complete) return "";
  const { count, time_ms } = format.value;
  const to = store.complete_to.value;
  const parts = [
    to === undefined ? "" : t("complete_to", { time: time_ms(to) }),
    t("sources", { n: count(complete.sources) }),
    complete.behind > 0 ? t("behind", { n: count(complete.behind) }) : "",
    complete.failing > 0 ? t("failing", { n: count(complete.failing) }) : "",
    t("quarantined", { n: count(quarantined.value) }),
    complete.bad_rows > 0 ? t("bad_rows", { n: count(complete.bad_rows) }) : "",
  ];
  return parts.filter((part) => part !== "").join(" · ");
});

interface AsOfProps {
  /** The page's tick, or that of a picture drawn less often. */
  readonly tick?: ReadonlySignal<number>;
  readonly size?: "short" | "usual" | "long";
}

/** The tick of a figure, and how complete it is when asked (hover, or `long`). */
export function AsOf({ tick = store.tick, size = "usual" }: AsOfProps) {
  const text = useComputed(() => {
    if (tick.value === 0) return "";
    const time = format.value.time_ms(tick.value);
    if (size === "short") return time;
    const as_of = t("as_of", { time });
    return size === "long" && completeness.value !== "" ? `${as_of} · ${completeness.value}` : as_of;
  });
  const whole = useComputed(() =>
    tick.value === 0 ? "" : `${t("as_of", { time: format.value.time_ms(tick.value) })} · ${completeness.value}`,
  );
  return (
    <span class="as-of" title={whole}>
      {text}
    </span>
  );
}

interface CardProps {
  /** The grid area and a name for tests. */
  readonly area: string;
  readonly title: string;
  readonly views: readonly ViewName[];
  /** The tick of what is drawn, where it may be behind the page's. */
  readonly tick?: ReadonlySignal<number>;
  readonly tools?: ComponentChildren;
  readonly children: ComponentChildren;
}

export function Card({ area, title, views, tick, tools, children }: CardProps) {
  // Of all that can change in a view only this concerns the frame around it.
  const state = useComputed(() => {
    const missing = views.filter((name) => store.view(name).value.kind === "missing");
    if (missing.length > 0) return missing.join();
    return views.some((name) => store.view(name).value.kind === "waiting") ? "waiting" : "";
  }).value;
  const waiting = state === "waiting";
  const title_id = `title-${area}`;
  return (
    <section class="card" style={{ gridArea: area }} data-card={area} aria-labelledby={title_id} aria-busy={waiting}>
      <header>
        <h2 id={title_id}>{title}</h2>
        {tools}
        <AsOf {...(tick ? { tick } : {})} />
      </header>
      <div class="body">
        {waiting ? (
          <p class="note">{t("loading")}</p>
        ) : state !== "" ? (
          <p class="note missing">{state.split(",").map((view) => t("missing", { view })).join("\n")}</p>
        ) : (
          <Guard>{children}</Guard>
        )}
      </div>
    </section>
  );
}

/** A card that cannot draw what it got says why; the others go on. */
class Guard extends Component<{ children: ComponentChildren }, { failure?: string }> {
  override componentDidCatch(error: unknown): void {
    this.setState({ failure: error instanceof Error ? error.message : String(error) });
  }

  override render({ children }: { children: ComponentChildren }, { failure }: { failure?: string }) {
    return failure === undefined ? children : <p class="note missing">{failure}</p>;
  }
}
