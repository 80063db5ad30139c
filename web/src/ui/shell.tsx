// The frame around every screen: names, screens, connection, alarms, and the keys.
import { useSignal, useSignalEffect } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { ComponentChildren } from "preact";

import { sale, store, view_rows } from "../state/page";
import { format, screen, t, toggle_big, toggle_language, toggle_theme } from "../state/settings";
import { screens } from "../views";
import { AsOf } from "./card";
import { Icon } from "./icon";

const alerts = view_rows("alerts");

export function Shell({ children }: { children: ComponentChildren }) {
  useKeys();
  return (
    <>
      <a class="skip" href="#main">
        {t("skip")}
      </a>
      <header class="top">
        <div class="brand">
          <Icon name="logo" />
          <strong>Trueup</strong>
          <SaleName />
        </div>
        <nav aria-label={t("title")} title={t("keys")}>
          {screens.map((name, i) => (
            <a
              key={name}
              href={`#/${name}`}
              aria-current={screen.value === name ? "page" : undefined}
              aria-keyshortcuts={String(i + 1)}
            >
              <Icon name={name} />
              {t(`screen_${name}`)}
              {name === "sale" && <AlertCount />}
            </a>
          ))}
        </nav>
        <Status />
        <div class="tools">
          <button type="button" onClick={toggle_language} title={t("language_label")} class="language">
            {t("language")}
          </button>
          <button type="button" onClick={toggle_theme} title={t("theme")} aria-label={t("theme")}>
            <Icon name="theme" />
          </button>
          <button type="button" onClick={toggle_big} title={t("big")} aria-label={t("big")} class="only-wide">
            <Icon name="big" />
          </button>
        </div>
      </header>
      <Broken />
      <main id="main" tabIndex={-1} data-screen={screen.value}>
        {children}
      </main>
    </>
  );
}

function SaleName() {
  const name = sale.value?.name;
  return <span class="sale-name">{name ?? t("title")}</span>;
}

function AlertCount() {
  const urgent = alerts.value.filter((alert) => alert.severity === "critical").length;
  return urgent > 0 ? <span class="badge">{format.value.count(urgent)}</span> : null;
}

/** Whether the figures move, and as of when they are true. */
function Status() {
  const kind = store.status.value.kind;
  return (
    <div class={`status ${kind}`} role="status">
      <span class="dot" />
      <span class="word">{t(kind)}</span>
      <AsOf size="long" />
    </div>
  );
}

/** Says without being asked that the figures stand still, since when, and that it heals by itself. */
function Broken() {
  const now = useSignal(Date.now());
  const status = store.status.value;
  const broken = status.kind === "broken";
  useSignalEffect(() => {
    if (store.status.value.kind !== "broken") return undefined;
    now.value = Date.now();
    const timer = setInterval(() => (now.value = Date.now()), 1000);
    return () => clearInterval(timer);
  });
  if (!broken) return null;
  const ago = format.value.duration(Math.max(0, (now.value - status.since) / 1000));
  const tick = store.tick.value;
  return (
    <div class="broken" role="alert">
      <Icon name="warning" />
      {tick === 0
        ? `${t("broken")} (${status.reason})`
        : t("broken_long", { ago, time: format.value.time_ms(tick) })}
    </div>
  );
}

function useKeys(): void {
  useEffect(() => {
    const act = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || is_typing(event.target)) return;
      const name = screens[Number(event.key) - 1];
      if (name) location.hash = `/${name}`;
      else if (event.key === "b") toggle_big();
      else if (event.key === "t") toggle_theme();
      else if (event.key === "l") toggle_language();
      else return;
      event.preventDefault();
    };
    addEventListener("keydown", act);
    return () => removeEventListener("keydown", act);
  }, []);
}

function is_typing(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && target.closest("input, textarea, select, [contenteditable]") !== null;
}
