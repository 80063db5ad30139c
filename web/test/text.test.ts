// Numbers and texts in both languages.
import { describe, expect, it } from "vitest";

import { text_in, text_or } from "../src/text";
import { en } from "../src/text/en";
import { format_of } from "../src/text/format";
import { zh } from "../src/text/zh";

const english = format_of("en");
const chinese = format_of("zh-CN");

describe("format", () => {
  it("keeps every digit of an amount, more than a double has", () => {
    expect(english.money("12345678901234567.89")).toBe("¥12,345,678,901,234,567.89");
    expect(english.money("-0.05")).toBe("−¥0.05");
    expect(chinese.money("1234567.5")).toBe("¥1,234,567.50");
  });

  it("shortens in each language's units", () => {
    expect(english.money_short("1234567.89")).toBe("¥1.23M");
    expect(chinese.money_short("1234567.89")).toBe("¥123.46万");
    expect(english.money_signed("-12300")).toBe("−¥12,300");
    expect(english.money_signed("12300")).toBe("+¥12,300");
  });

  it("shows what cannot be read as a dash, not as an error", () => {
    expect(english.time_s(Number.NaN)).toBe("–");
  });

  it("picks units of time and size by the value", () => {
    expect(english.duration(45)).toBe("45s");
    expect(english.duration(180)).toBe("3m");
    expect(english.bytes(12_345_678)).toBe("12.3 MB");
    expect(english.bytes(0)).toBe("0 byte");
  });
});

describe("texts", () => {
  it("have the same places to fill in both languages", () => {
    const places = (text: string) => (text.match(/\{\w+\}/g) ?? []).sort();
    for (const key of Object.keys(en) as (keyof typeof en)[]) {
      expect(places(zh[key]), key).toEqual(places(en[key]));
    }
  });

  it("fill places and fall back on the word for what is data", () => {
    expect(text_in("en", "missing", { view: "x" })).toBe("View x is not on this server");
    expect(text_or("zh-CN", "cause_", "refund")).toBe("退款");
    expect(text_or("en", "cause_", "act_of_god")).toBe("act of god");
  });
});
