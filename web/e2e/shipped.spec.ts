// The shipped dataflows with their simulator: every screen has its figures, at every size, in both languages and themes.
import AxeBuilder from "@axe-core/playwright";
import { expect, test, type Browser, type Page } from "@playwright/test";

import { Server, start_ms_max } from "./server";

const sizes = {
  wall: { width: 1920, height: 1080 },
  wall_4k: { width: 3840, height: 2160 },
  laptop: { width: 1440, height: 900 },
  phone: { width: 390, height: 844 },
} as const;

const cards = {
  sale: ["minutes", "funnel", "alerts", "products", "categories", "regions", "heat", "stock", "corrections"],
  attribution: ["matrix", "ranks", "days", "effect"],
  operations: ["sources", "channels", "quarantine", "reconciliation", "errors"],
  dataflow: ["graph", "details"],
} as const;

/** A server that runs already, when E2E_URL names one; its own otherwise. */
let server: Server | undefined;
let url = process.env.E2E_URL ?? "";

test.beforeAll(async () => {
  test.setTimeout(start_ms_max + 10_000);
  if (url !== "") return;
  server = await Server.start({ shipped: true });
  url = server.url;
});

test.afterAll(() => server?.stop());

async function open(browser: Browser, size: keyof typeof sizes, address: string, theme: "dark" | "light") {
  const context = await browser.newContext({ viewport: sizes[size], colorScheme: theme, timezoneId: "UTC", locale: "en-GB" });
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(error.message));
  await page.goto(`${url}/${address}`);
  return { page, context, complaints };
}

async function filled(page: Page, names: readonly string[]) {
  for (const name of names) {
    const card = page.locator(`[data-card="${name}"]`);
    await expect(card, name).toHaveAttribute("aria-busy", "false", { timeout: 30_000 });
    await expect(card.locator(".missing"), name).toHaveCount(0);
  }
}

/** Whether anything has to be scrolled to be seen. */
const overflow = (page: Page) =>
  page.evaluate(() => [
    document.documentElement.scrollWidth - innerWidth,
    document.documentElement.scrollHeight - innerHeight,
  ]);

for (const [screen, names] of Object.entries(cards)) {
  test(`${screen}: every card has its view; a wall shows it without scrolling`, async ({ browser }) => {
    for (const size of ["wall", "wall_4k"] as const) {
      const { page, context, complaints } = await open(browser, size, `#/${screen}`, "dark");
      await filled(page, names);
      if (screen === "sale") await expect(page.locator('[data-figure="placed"]')).toHaveText(/^¥[\d,]+\.\d\d$/);
      expect(await overflow(page), size).toEqual([0, 0]);
      expect(complaints).toEqual([]);
      await context.close();
    }
  });

  test(`${screen}: phone and laptop have nothing beside the page, in both languages`, async ({ browser }) => {
    for (const [size, address, theme] of [
      ["phone", `?lang=zh-CN#/${screen}`, "dark"],
      ["laptop", `?lang=en#/${screen}`, "light"],
    ] as const) {
      const { page, context, complaints } = await open(browser, size, address, theme);
      await filled(page, names);
      await expect(page.locator("nav a[aria-current=page]")).toBeInViewport();
      expect((await overflow(page))[0], size).toBe(0);
      expect(complaints).toEqual([]);
      await context.close();
    }
  });

  test(`${screen}: WCAG AA in both themes`, async ({ browser }) => {
    for (const theme of ["dark", "light"] as const) {
      const { page, context } = await open(browser, "laptop", `#/${screen}`, theme);
      await filled(page, names);
      const { violations } = await new AxeBuilder({ page }).withTags(["wcag2a", "wcag2aa", "wcag21aa"]).analyze();
      const told = violations.map((v) => `${v.id}: ${v.nodes.map((node) => node.target.join(" ")).join(", ")}`);
      expect(told, theme).toEqual([]);
      await context.close();
    }
  });
}

test("an order is found by its id with its state and facts", async ({ browser }) => {
  const { page, context } = await open(browser, "laptop", "#/operations", "dark");
  const answer = await page.request.post(`${url}/api/sql`, {
    data: { sql: "SELECT order_id FROM order_state WHERE paid > 0 ORDER BY order_id LIMIT 1" },
  });
  const { rows } = (await answer.json()) as { rows: [[string]] };
  const id = rows[0][0];
  await page.locator("input[name=order]").fill(id);
  await page.keyboard.press("Enter");
  const card = page.locator('[data-card="lookup"]');
  await expect(card.locator("dd").first()).toHaveText(id);
  await expect(card.locator("tbody tr")).not.toHaveCount(0);
  await expect(card.locator("tbody").first()).toContainText("payment");
  // What arrived, in the order of arrival.
  const versions = card.getByRole("region", { name: "Every version, as it arrived" });
  await expect(versions.locator("tbody tr").first()).toContainText("new");
  // Dataflows without a history cost the list of versions alone.
  await page.route("**/api/sql", (route) => {
    const asks_history = route.request().postData()?.includes("order_history") ?? false;
    return asks_history ? route.fulfill({ status: 400, json: { code: "42P01", message: "no such relation" } }) : route.continue();
  });
  await expect(versions).toHaveCount(0);
  await expect(card.locator("tbody").first()).toContainText("payment");
  await context.close();
});

test("the first figure is there within a second", async ({ browser }) => {
  // Once to warm server and browser, as on a wall that is reloaded.
  const warm = await open(browser, "wall", "", "dark");
  await expect(warm.page.locator('[data-figure="placed"]')).toHaveText(/\d/);
  await warm.context.close();
  const context = await browser.newContext({ viewport: sizes.wall });
  const page = await context.newPage();
  await page.addInitScript(() => {
    const look = () => {
      const figure = document.querySelector('[data-figure="placed"]');
      if (figure && /\d/.test(figure.textContent)) performance.mark("figure");
      else requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
  });
  await page.goto(url);
  await page.waitForFunction(() => performance.getEntriesByName("figure").length > 0);
  const ms = await page.evaluate(() => performance.getEntriesByName("figure")[0]?.startTime ?? Infinity);
  test.info().annotations.push({ type: "first figure, ms", description: ms.toFixed(0) });
  expect(ms).toBeLessThan(1000);
  await context.close();
});
