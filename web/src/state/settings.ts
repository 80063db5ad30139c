// What the viewer chose: screen, language, theme, big screen. The screen is in the address; the rest is kept in the browser.
import { computed, effect, signal } from "@preact/signals";

import { text_in, text_or, type TextKey } from "../text";
import { format_of, type Language } from "../text/format";
import { screens, type Screen } from "../views";

const kept = (name: string) => localStorage.getItem(`trueup.${name}`);
const keep = (name: string, value: string) => localStorage.setItem(`trueup.${name}`, value);

function first_language(): Language {
  const asked = new URLSearchParams(location.search).get("lang") ?? kept("language") ?? navigator.language;
  return asked.startsWith("zh") ? "zh-CN" : "en";
}

function screen_of_address(): Screen {
  const name = location.hash.replace(/^#\/?/, "");
  return screens.find((screen) => screen === name) ?? "sale";
}

/** A wall, by its size: wide and high enough that nobody sits in front of it with a laptop. */
const wall = matchMedia("(min-width: 1900px) and (min-height: 940px)");

export const screen = signal<Screen>(screen_of_address());
export const language = signal<Language>(first_language());
export const theme = signal<"dark" | "light">(document.documentElement.dataset.theme === "light" ? "light" : "dark");
/** Chosen by the viewer, or by the size of the window while the viewer has not chosen. */
const big_chosen = signal<boolean | undefined>(kept("big") === null ? undefined : kept("big") === "true");
const big_by_size = signal(wall.matches);
export const big = computed(() => big_chosen.value ?? big_by_size.value);

export const format = computed(() => format_of(language.value));

/** The text of a key in the language of the moment; reading it in a component follows the language. */
export function t(key: TextKey, values?: Readonly<Record<string, string>>): string {
  return text_in(language.value, key, values);
}

/** The text for a word that is data (a cause, a status), or the word. */
export function word(prefix: string, data: string): string {
  return text_or(language.value, prefix, data);
}

/** A name out of the data, or what stands where the data has none. */
export function known(name: string | null): string {
  return name === null || name === "(unknown)" ? t("unknown") : name;
}

export function toggle_theme(): void {
  const to = theme.peek() === "dark" ? "light" : "dark";
  // The style sheet first: who follows the signal reads colours from it.
  document.documentElement.dataset.theme = to;
  theme.value = to;
  keep("theme", to);
}

export function toggle_language(): void {
  language.value = language.value === "en" ? "zh-CN" : "en";
  keep("language", language.value);
}

/** Switches big-screen mode, and the browser's full screen with it. */
export function toggle_big(): void {
  const to = !big.value;
  big_chosen.value = to;
  keep("big", String(to));
  // A browser that refuses full screen still has the layout.
  if (to) document.documentElement.requestFullscreen().catch(() => undefined);
  else if (document.fullscreenElement) void document.exitFullscreen();
}

/** Follows address, window and settings for as long as the page lives. */
export function follow_settings(): void {
  addEventListener("hashchange", () => (screen.value = screen_of_address()));
  wall.addEventListener("change", () => (big_by_size.value = wall.matches));
  effect(() => {
    const root = document.documentElement;
    root.lang = language.value;
    root.classList.toggle("big", big.value);
    document.title = `Trueup · ${t("title")}`;
  });
}
