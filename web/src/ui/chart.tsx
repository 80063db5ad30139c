// A canvas drawn by ECharts, which is loaded when the first chart has something to show.
// Draws at most every `draw_ms_min`, and tells the tick of what it drew, so that the card above it never claims more.
import { useEffect, useRef } from "preact/hooks";
import type { ReadonlySignal, Signal } from "@preact/signals";
import type { EChartsCoreOption, EChartsType } from "echarts/core";

import { store } from "../state/page";

export const draw_ms_min = 250;

interface Props {
  readonly option: ReadonlySignal<EChartsCoreOption>;
  /** Set to the tick of what is drawn. */
  readonly tick: Signal<number>;
  /** What the picture shows, for those who do not see it. */
  readonly label: string;
}

export function Chart({ option, tick, label }: Props) {
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const element = place.current;
    if (!element) return undefined;
    let chart: EChartsType | undefined;
    let gone = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let drawn_at = 0;
    let drawn: EChartsCoreOption | undefined;
    const draw = () => {
      timer = undefined;
      drawn_at = performance.now();
      const now = option.peek();
      if (chart && now !== drawn) {
        chart.setOption(now, { lazyUpdate: true, replaceMerge: ["series"] });
        drawn = now;
      }
      if (chart) tick.value = store.tick.peek();
    };
    const soon = () => {
      timer ??= setTimeout(draw, Math.max(0, draw_ms_min - (performance.now() - drawn_at)));
    };
    const observer = new ResizeObserver(() => chart?.resize());
    const stops = [option.subscribe(soon), store.tick.subscribe(soon)];
    void import("../charts/echarts").then(({ init }) => {
      if (gone) return;
      chart = init(element, undefined, { renderer: "canvas" });
      observer.observe(element);
      draw();
    });
    return () => {
      gone = true;
      for (const stop of stops) stop();
      clearTimeout(timer);
      observer.disconnect();
      chart?.dispose();
    };
  }, [option, tick]);
  return <div class="chart" ref={place} role="img" aria-label={label} />;
}
