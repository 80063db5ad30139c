// How the page is built: one small script with the numbers, ECharts in a chunk of its own that is asked for later.
import { defineConfig } from "vite";

export default defineConfig({
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 700,
  },
  // For work on the page: `npm run dev` beside a running server.
  server: { proxy: { "/api": "http://127.0.0.1:8080" } },
});
