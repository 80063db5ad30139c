// How fast a count grows: the difference of two exact counts at two ticks, over the time between them.
// Memory: at most one sample per `sample_ms_min` within the window.

export const window_ms = 10_000;
const sample_ms_min = 250;

export class Rate {
  private samples: { readonly tick: number; readonly count: number }[] = [];

  /** Takes the count at a tick; returns its growth per second over the window, `undefined` until there is one. */
  push(tick: number, count: number): number | undefined {
    const last = this.samples.at(-1);
    // Time that runs backwards is another server: what was known of the old one says nothing.
    if (last && tick < last.tick) this.samples = [];
    if (!last || tick - last.tick >= sample_ms_min || this.samples.length === 0) this.samples.push({ tick, count });
    while (this.samples.length > 2 && tick - (this.samples[1]?.tick ?? tick) >= window_ms) this.samples.shift();
    const first = this.samples[0];
    if (!first || tick - first.tick < 1000) return undefined;
    return ((count - first.count) * 1000) / (tick - first.tick);
  }
}

/** A rate for each of many things by name. */
export class Rates {
  private readonly meters = new Map<string, Rate>();

  push(name: string, tick: number, count: number): number | undefined {
    let meter = this.meters.get(name);
    if (!meter) this.meters.set(name, (meter = new Rate()));
    return meter.push(tick, count);
  }
}
