// Browser tests: headless Chromium from the system against a real server (see e2e/server.ts).
import { defineConfig } from "@playwright/test";

export default defineConfig({
  testDir: "e2e",
  // One server and one browser at a time: the machine's cores belong to the server.
  workers: 1,
  fullyParallel: false,
  timeout: 60_000,
  expect: { timeout: 15_000 },
  reporter: [["list"]],
  use: {
    launchOptions: {
      executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
      args: ["--no-sandbox", "--disable-dev-shm-usage"],
    },
    locale: "en-GB",
    timezoneId: "UTC",
    trace: "retain-on-failure",
  },
});
