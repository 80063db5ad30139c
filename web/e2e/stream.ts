// A stream played by the test, before a real server's page: an hour of changes in half a minute, or ten a second for a while.
// Only /api/changes is played; the page and all else come from the real server.
import { once } from "node:events";
import { createServer, type Server as HttpServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

type Row = Record<string, string | number | boolean | null>;

const money = (value: number) => value.toFixed(2);
const start = Date.UTC(2026, 10, 11);
const at = (minute: number) => new Date(start + minute * 60_000).toISOString();
const sale_id = "s1";

/** Everything the sale's screen shows, `step` tenths of a second into the stream: some fifty figures, none as before. */
export function picture(step: number): Record<string, Row[]> {
  const orders = 10_000 + step * 20;
  const amounts = { placed: money(orders * 260), paid: money(orders * 230), net: money(orders * 220) };
  const ranked = (n: number, of: (i: number) => Row) =>
    Array.from({ length: n }, (_, i) => ({ i, weight: 1000 - i * 30 + ((step * (i + 3)) % 97) }))
      .sort((a, b) => b.weight - a.weight)
      .map(({ i, weight }, rank) => ({
        sale_id,
        rank: rank + 1,
        units: weight,
        placed: money(weight * 100),
        paid: "1.00",
        net: "1.00",
        ...of(i),
      }));
  const minutes = Array.from({ length: 90 }, (_, m) => ({
    sale_id,
    minute: at(m),
    minute_no: m,
    orders: m < 60 ? 500 + m + (m === 59 ? step : 0) : 0,
    buyers: 400 + m,
    units: 700,
    placed: money(100_000 + m * 37 + (m === 59 ? step * 10 : 0)),
    paid: money(90_000 + m * 31),
    refunded: "10.00",
    net: money(80_000),
    average_order_value: "260.00",
    paid_orders: 1,
    kept_orders: 1,
    refund_rate: 0.03,
    payment_success_rate: 0.97,
    pay_p50_s: 4,
    pay_p95_s: 30,
    earlier_orders: 1,
    earlier_placed: money(90_000 + m * 11),
    earlier_paid: "1.00",
  }));
  return {
    sale_now: [
      {
        sale_id,
        name: "Autumn",
        orders,
        buyers: orders - 7,
        units: orders * 2,
        ...amounts,
        refunded: money(step * 3.1),
        average_order_value: money(260 + (step % 7)),
        payment_success_rate: 0.97 + (step % 9) / 1000,
        refund_rate: 0.03 + (step % 5) / 1000,
        pay_p95_s: 30 + (step % 4),
      },
    ],
    sale_minutes: minutes,
    sale_top_products: ranked(10, (i) => ({ product_id: `p${i}`, name: `Product ${i}`, category: "Home" })),
    sale_top_categories: ranked(6, (i) => ({ category: `Category ${i}` })),
    sale_regions: ranked(12, (i) => ({ region: `Region ${i}`, orders: 5 })),
    sale_region_minutes: Array.from({ length: 12 * 30 }, (_, n) => ({
      sale_id,
      region: `Region ${n % 12}`,
      minute: at(30 + Math.floor(n / 12)),
      minute_no: 30 + Math.floor(n / 12),
      orders: 5,
      placed: money(1000 + n + (n > 340 ? step : 0)),
      paid: "1.00",
      net: "1.00",
    })),
    sale_stock: Array.from({ length: 10 }, (_, i) => ({
      product_id: `p${i}`,
      name: `Product ${i}`,
      category: "Home",
      given: 100_000,
      sold: 10 * i + step,
      left_over: 100_000 - 10 * i - step,
      burn_per_minute: 600,
      minutes_left: 60 + i,
      oversold: false,
    })),
    sale_funnel: ["click", "order", "paid", "kept"].map((name, i) => ({
      sale_id,
      step_no: i,
      step: name,
      count: orders * (5 - i),
      rate_of_previous: 0.8,
      rate_of_first: 0.5,
    })),
    alerts: [{ alert_id: "a", severity: "info", kind: "x", subject: "x", message: `${step} events`, since: at(1) }],
    corrections: [{ minute: at(4), cause: "refund", facts: step, moved: money(-step), latest_at: at(70) }],
    channel_quality: [{ channel: "web", quarantined: step % 50 }],
  };
}

function event(kind: string, tick: number, body: object): string {
  const complete = { sources: 3, behind: 0, failing: 0, finished: 0, bad_rows: 0 };
  return `event: ${kind}\nid: ${tick}\ndata: ${JSON.stringify({ tick, complete, ...body })}\n\n`;
}

/** The changes from one picture to the next, for the views asked for. */
function changes(names: readonly string[], before: Record<string, Row[]>, after: Record<string, Row[]>) {
  const views: Record<string, { diff: number; row: Row }[]> = {};
  for (const name of names) {
    const old = new Map((before[name] ?? []).map((row) => [JSON.stringify(row), row]));
    const now = new Map((after[name] ?? []).map((row) => [JSON.stringify(row), row]));
    const gone = [...old].filter(([key]) => !now.has(key)).map(([, row]) => ({ diff: -1, row }));
    const come = [...now].filter(([key]) => !old.has(key)).map(([, row]) => ({ diff: 1, row }));
    if (gone.length + come.length > 0) views[name] = [...gone, ...come];
  }
  return views;
}

export class Stream {
  private readonly http: HttpServer;
  /** Steps sent so far on the open stream. */
  sent = 0;

  private constructor(
    private readonly behind: string,
    private readonly steps: number,
    private readonly pause_ms: number,
  ) {
    this.http = createServer((request, response) => {
      const url = new URL(request.url ?? "/", "http://stream");
      const answer = url.pathname === "/api/changes" ? this.play(url, response) : this.pass(url, response);
      answer.catch(() => response.destroy());
    });
  }

  /** Plays `steps` steps of a tenth of a second, `pause_ms` apart, then heart-beats. */
  static async start(behind: string, steps: number, pause_ms: number): Promise<Stream> {
    const stream = new Stream(behind, steps, pause_ms);
    stream.http.listen(0, "127.0.0.1");
    await once(stream.http, "listening");
    return stream;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.http.address() as AddressInfo).port}`;
  }

  stop(): void {
    this.http.closeAllConnections();
    this.http.close();
  }

  private async pass(url: URL, response: ServerResponse): Promise<void> {
    const answer = await fetch(this.behind + url.pathname + url.search);
    response.writeHead(answer.status, { "Content-Type": answer.headers.get("content-type") ?? "text/plain" });
    response.end(Buffer.from(await answer.arrayBuffer()));
  }

  private async play(url: URL, response: ServerResponse): Promise<void> {
    const asked = (url.searchParams.get("views") ?? "").split(",");
    response.writeHead(200, { "Content-Type": "text/event-stream" });
    let tick = start;
    let before = picture(0);
    const names = asked.filter((name) => name in before);
    const views = Object.fromEntries(names.map((name) => [name, { rows: before[name] }]));
    const missing = asked.filter((name) => !(name in before));
    response.write(event("snapshot", tick, { reason: "start", views, missing }));
    for (let step = 1; step <= this.steps && !response.destroyed; step++) {
      const after = picture(step);
      tick += 100;
      const text = event("changes", tick, { views: changes(names, before, after) });
      // The page sets the pace: what it has not read is not written on.
      if (!response.write(text)) await once(response, "drain");
      if (this.pause_ms > 0) await new Promise((resolve) => setTimeout(resolve, this.pause_ms));
      before = after;
      this.sent = step;
    }
    while (!response.destroyed) {
      response.write(event("heartbeat", (tick += 500), {}));
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
  }
}
