// Texts with places to fill, in the language of the moment.
import { en, type TextKey, type Texts } from "./en";
import type { Language } from "./format";
import { zh } from "./zh";

const tables: Readonly<Record<Language, Texts>> = { en, "zh-CN": zh };

/** The text of a key; `{name}` is replaced by what `values` has under that name. */
export function text_in(language: Language, key: TextKey, values: Readonly<Record<string, string>> = {}): string {
  return tables[language][key].replace(/\{(\w+)\}/g, (_, name: string) => values[name] ?? "");
}

/** The text of a key that is made up of data (`cause_` + "refund"), or the data itself where no text is known. */
export function text_or(language: Language, prefix: string, word: string): string {
  const key = `${prefix}${word}`;
  return key in en ? tables[language][key as TextKey] : word.replaceAll("_", " ");
}

export type { TextKey };
