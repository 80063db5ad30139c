// What the page shows is what the server says, at once and in both languages; what breaks is said and heals.
import { expect, test, type Page } from "@playwright/test";

import { Server } from "./server";
import { sale, tables } from "./tables";

let server: Server;

test.beforeEach(async () => {
  server = await Server.start({ text: tables });
  await server.sql(sale(1234, "9876543210987.65", "12345.6", "345.6", "12000"));
});

test.afterEach(() => server.stop());

const figure = (page: Page, name: string) => page.locator(`[data-figure="${name}"]`);
const card = (page: Page, name: string) => page.locator(`[data-card="${name}"]`);

test("figures are exact and follow every change", async ({ page }) => {
  await page.goto(server.url);
  // More digits than a double of cents would keep.
  await expect(figure(page, "placed")).toHaveText("¥9,876,543,210,987.65");
  await expect(figure(page, "net")).toHaveText("¥12,000");
  await expect(figure(page, "orders")).toHaveText("1,234");
  await expect(figure(page, "payment_success")).toHaveText("97.3%");
  await server.sql(sale(1235, "9876543211000.05", "12345.6", "345.6", "12000"));
  await expect(figure(page, "placed")).toHaveText("¥9,876,543,211,000.05");
  await expect(figure(page, "orders")).toHaveText("1,235");
});

test("every figure says as of when, and the frame how complete", async ({ page }) => {
  await server.sql("INSERT INTO channel_quality VALUES ('web', 10, 10, 1, 3, 0, 0, 0.1, 0, 0), ('pos', 1, 1, 1, 2, 0, 0, 0.1, 0, 0)");
  await page.goto(server.url);
  await expect(page.locator(".status .as-of")).toContainText(/as of \d\d:\d\d:\d\d\.\d{3} · complete to \d\d:/);
  await expect(page.locator(".status .as-of")).toContainText("5 quarantined");
  const cards = await page.locator(".card:not(:has(.missing))").all();
  expect(cards.length).toBeGreaterThan(10);
  for (const shown of cards) await expect(shown.locator(".as-of").first()).toHaveText(/\d\d:\d\d:\d\d\.\d{3}/);
  const first = await page.locator(".status .as-of").textContent();
  await expect(page.locator(".status .as-of")).not.toHaveText(first ?? "", { timeout: 5000 });
});

test("a view that the server does not have costs its card alone", async ({ page }) => {
  await page.goto(server.url);
  await expect(card(page, "funnel")).toContainText("View sale_funnel is not on this server");
  await expect(figure(page, "orders")).toHaveText("1,234");
});

test("ranks move, alarms come and go, corrections are told", async ({ page }) => {
  const product = (id: string, rank: number, placed: number) =>
    `('s1', ${rank}, '${id}', 'Product ${id}', 'Home', 5, ${placed}, ${placed}, ${placed})`;
  await server.sql(`INSERT INTO sale_top_products VALUES ${product("a", 1, 2000)}, ${product("b", 2, 1000)}`);
  await server.sql("INSERT INTO sale_stock VALUES ('a', 'Product a', 'Home', 100, 90, 10, 5, 2, false)");
  await page.goto(server.url);
  const place = (id: string) => card(page, "products").locator(`li[data-key="${id}"]`);
  await expect(place("a")).toHaveAttribute("aria-posinset", "1");
  const before = await place("b").boundingBox();
  await server.sql(`INSERT INTO sale_top_products VALUES ${product("a", 2, 2000)}, ${product("b", 1, 3000)}`);
  await expect(place("b")).toHaveAttribute("aria-posinset", "1");
  await expect.poll(async () => (await place("b").boundingBox())?.y ?? 0).toBeLessThan((before?.y ?? 0) - 10);

  await expect(card(page, "stock")).toContainText("10 left");
  await server.sql("INSERT INTO sale_stock VALUES ('a', 'Product a', 'Home', 100, 103, -3, 5, 0, true)");
  await expect(card(page, "stock").locator("li.critical")).toContainText("Oversold by 3");

  await expect(card(page, "alerts")).toContainText("All calm");
  await server.sql("INSERT INTO alerts VALUES ('x', 'critical', 'oversold', 'a', 'Product a is oversold', '2026-11-11T10:00:00Z')");
  await expect(card(page, "alerts")).toContainText("Product a is oversold");
  await expect(page.locator("nav .badge")).toHaveText("1");
  await server.sql("DELETE FROM alerts");
  await expect(card(page, "alerts")).toContainText("All calm");

  await server.sql("INSERT INTO corrections VALUES ('2026-11-11T10:04:00Z', 'refund', 41, -12300, '2026-11-11T10:09:00Z')");
  await expect(card(page, "corrections")).toContainText("10:04 moved by −¥12,300: 41 refunds");
});

test("a stuck server is noticed and the page heals when it goes on", async ({ page }) => {
  await page.goto(server.url);
  await expect(page.locator(".status")).toContainText("Live");
  server.freeze();
  await expect(page.locator(".broken[role=alert]")).toContainText(/Connection lost .* The figures are true as of \d\d:/, { timeout: 6000 });
  await expect(figure(page, "orders")).toHaveText("1,234");
  server.thaw();
  await expect(page.locator(".broken[role=alert]")).toHaveCount(0);
  await server.sql(sale(1300, "1", "1", "0", "1"));
  await expect(figure(page, "orders")).toHaveText("1,300");
});

test("a crash is shown at once; after a restart the page shows the new server's state", async ({ page }) => {
  await page.goto(server.url);
  await expect(figure(page, "orders")).toHaveText("1,234");
  await server.kill();
  await expect(page.locator(".broken[role=alert]")).toBeVisible({ timeout: 2000 });
  await server.up();
  await server.sql(sale(5, "10", "10", "0", "10"));
  await expect(figure(page, "orders")).toHaveText("5");
  await expect(page.locator(".status")).toContainText("Live");
});

test("Chinese, the light theme and the keys", async ({ page }) => {
  await page.goto(server.url);
  await expect(figure(page, "orders")).toHaveText("1,234");
  await page.keyboard.press("l");
  await expect(page.locator("html")).toHaveAttribute("lang", "zh-CN");
  await expect(card(page, "hero")).toContainText("下单金额");
  await expect(card(page, "alerts")).toContainText("一切平稳");
  const theme = await page.locator("html").getAttribute("data-theme");
  await page.keyboard.press("t");
  await expect(page.locator("html")).not.toHaveAttribute("data-theme", theme ?? "");
  await page.keyboard.press("3");
  await expect(page.locator("main")).toHaveAttribute("data-screen", "operations");
  await page.reload();
  await expect(page.locator("html")).toHaveAttribute("lang", "zh-CN");
  await expect(page.locator("nav a[aria-current=page]")).toContainText("运营");
});

test("the quarantine is browsed with its reasons and payloads", async ({ page }) => {
  await server.sql(
    `INSERT INTO quarantine VALUES
     ('shopify', 'order', 'shopify:1', 'negative_amount', 'amount is -12', '{"id":1,"total_price":"-12.00"}', '2026-11-11T10:00:00Z'),
     ('tmall', 'payment', 'tmall:2', 'unknown_currency', 'RMB is no currency', '{"tid":2}', '2026-11-11T10:01:00Z')`,
  );
  await page.goto(`${server.url}/#/operations`);
  const browser = card(page, "quarantine");
  await expect(browser.locator("tbody tr")).toHaveCount(2);
  await browser.getByLabel("Channel").selectOption("shopify");
  await expect(browser.locator("tbody tr")).toHaveCount(1);
  await expect(browser.locator("pre")).toContainText('"total_price": "-12.00"');
  await server.sql("DELETE FROM quarantine WHERE id = 'shopify:1'");
  await expect(browser.locator("tbody tr")).toHaveCount(0);
});

test("sources say what came twice, too late, or in conflict", async ({ page }) => {
  await server.sql("CREATE TABLE raw_orders (id BIGINT PRIMARY KEY, version INT, note TEXT) WITH VERSION COLUMN (version)");
  await server.sql("INSERT INTO raw_orders VALUES (1, 2, 'a'), (2, 1, 'b'), (2, 1, 'c')");
  await server.sql("INSERT INTO raw_orders VALUES (1, 2, 'a')");
  await page.goto(`${server.url}/#/operations`);
  const row = card(page, "sources").locator("tr", { hasText: "raw_orders" });
  const cells = (rows: string, duplicates: string, late: string) => ["raw_orders", "–", /./, "–", duplicates, late, "1", "0", "0", rows, ""];
  await expect(row.locator("td")).toHaveText(cells("4", "25.0%", "0.0%"));
  await server.sql("INSERT INTO raw_orders VALUES (1, 1, 'late')");
  await expect(row.locator("td")).toHaveText(cells("5", "20.0%", "20.0%"));
});

test("every operator says what it keeps, how much passes it, and since when nothing did", async ({ page }) => {
  await server.sql("CREATE TABLE moved (id BIGINT PRIMARY KEY, n INT)");
  await server.sql("CREATE MATERIALIZED VIEW moved_sums AS SELECT n, sum(id) AS s FROM moved GROUP BY n");
  await page.goto(`${server.url}/#/dataflow`);
  await card(page, "graph").getByRole("button", { name: "moved_sums" }).click();
  const cells = card(page, "details").locator("tr", { hasText: "Reduce by" }).first().locator("td");
  await expect(cells).toHaveCount(6);
  const updates = async () => {
    await server.sql("INSERT INTO moved VALUES (1, 7), (2, 7), (3, 8)");
    await server.sql("DELETE FROM moved");
    return Number.parseFloat(await cells.nth(3).innerText());
  };
  await expect.poll(updates, { timeout: 20_000 }).toBeGreaterThan(0);
  await expect(cells.nth(4)).toHaveText(/%$/);
  await expect(cells.nth(5)).toHaveText(/\d\d:\d\d:\d\d/);
});

test("the SQL box is read-only and its answer lives", async ({ page }) => {
  await page.goto(`${server.url}/#/dataflow`);
  const box = card(page, "sql");
  await box.locator("textarea").fill("SELECT orders FROM sale_now");
  await page.keyboard.press("Control+Enter");
  await expect(box.locator("td")).toHaveText("1234");
  await server.sql(sale(1500, "1", "1", "0", "1"));
  await expect(box.locator("td")).toHaveText("1500");
  await box.locator("textarea").fill("DELETE FROM sale_now");
  await box.getByRole("button", { name: "Run" }).click();
  await expect(box.locator(".refusal")).toContainText("25006");
  await box.locator("textarea").fill("SELECT nothing FROM sale_now");
  await box.getByRole("button", { name: "Run" }).click();
  await expect(box.locator(".refusal")).toContainText('column "nothing" does not exist');
});
