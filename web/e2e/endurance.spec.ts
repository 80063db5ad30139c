// The page under load and over time: changes leave no memory behind, ten changes a second leave the frames alone.
import { expect, test, type CDPSession } from "@playwright/test";

import { Server } from "./server";
import { Stream } from "./stream";

/** Tenths of a second of changes: ten minutes' worth, an hour's with E2E_STEPS=36000. */
const steps = Number(process.env.E2E_STEPS ?? "6000");

// A trace takes pictures all the time: that is another test.
test.use({ trace: "off" });

let server: Server;

test.beforeAll(async () => {
  server = await Server.start({ text: "CREATE TABLE t (a INT)" });
});

test.afterAll(() => server.stop());

/** Bytes the page holds once everything that can be forgotten is. */
async function held_bytes(cdp: CDPSession): Promise<number> {
  await cdp.send("HeapProfiler.collectGarbage");
  const { usedSize } = await cdp.send("Runtime.getHeapUsage");
  return usedSize;
}

test("changes leave no memory behind", async ({ page }) => {
  test.setTimeout(240_000);
  const stream = await Stream.start(server.url, steps, 0);
  const cdp = await page.context().newCDPSession(page);
  await page.goto(stream.url);
  // The first tenth fills every ring and cache there is.
  const orders = page.locator('[data-figure="orders"]');
  const shown = async () => Number((await orders.textContent())?.replace(/\D/g, ""));
  await expect.poll(shown, { timeout: 200_000, intervals: [100] }).toBeGreaterThan(10_000 + steps * 2);
  await expect(page.locator("canvas").first()).toBeVisible();
  const early = await held_bytes(cdp);
  await expect.poll(() => stream.sent, { timeout: 200_000, intervals: [500] }).toBe(steps);
  await expect(orders).toHaveText((10_000 + steps * 20).toLocaleString("en"));
  const late = await held_bytes(cdp);
  test.info().annotations.push({ type: "heap", description: `${early} → ${late} bytes` });
  expect(late - early).toBeLessThan(3_000_000);
  stream.stop();
});

test("fifty figures ten times a second leave the main thread free", async ({ page }) => {
  await page.setViewportSize({ width: 1920, height: 1080 });
  const stream = await Stream.start(server.url, 10_000, 100);
  const cdp = await page.context().newCDPSession(page);
  // The main thread's own time: what other processes take from it does not count.
  await cdp.send("Performance.enable", { timeDomain: "threadTicks" });
  await page.goto(stream.url);
  await expect.poll(() => stream.sent).toBeGreaterThan(20);
  const busy = async () => {
    const { metrics } = await cdp.send("Performance.getMetrics");
    const of = (name: string) => metrics.find((metric) => metric.name === name)?.value ?? 0;
    return of("ScriptDuration") + of("LayoutDuration") + of("RecalcStyleDuration");
  };
  const [busy_before, sent_before] = [await busy(), stream.sent];
  const frames = await page.evaluate(
    () =>
      new Promise<number>((resolve) => {
        const end = performance.now() + 5000;
        let count = 0;
        const frame = (now: number) => {
          count += 1;
          if (now < end) requestAnimationFrame(frame);
          else resolve(count);
        };
        requestAnimationFrame(frame);
      }),
  );
  const ms_per_update = ((await busy()) - busy_before) * (1000 / (stream.sent - sent_before));
  const description = `${frames / 5} frames/s, ${ms_per_update.toFixed(1)} ms of script, style and layout per update`;
  test.info().annotations.push({ type: "frames", description });
  // Two frames' time per update of ten a second: the other frames are free. Painting is the machine's (here: software).
  expect(ms_per_update).toBeLessThan(33);
  stream.stop();
});
