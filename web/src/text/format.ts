// Numbers, amounts and times in a language. Amounts are formatted from their text, digit by digit: no double in between.
// Pure functions of (language, value); formatters are made once per language and kept.
import type { Amount } from "../views";

export type Language = "en" | "zh-CN";

export interface Format {
  /** ¥12,345.60 */
  readonly money: (amount: Amount) => string;
  /** ¥12,346: where cents only tire the eye. */
  readonly money_whole: (amount: Amount) => string;
  /** ¥1.23M, ¥123.45万 */
  readonly money_short: (amount: Amount) => string;
  /** ¥1.2M, ¥120万: for axes. */
  readonly money_axis: (amount: number) => string;
  /** 12,345.60: of whatever currency is named beside it. */
  readonly amount: (amount: Amount) => string;
  /** +¥12, −¥12 */
  readonly money_signed: (amount: Amount) => string;
  readonly count: (value: Amount) => string;
  readonly count_short: (value: number) => string;
  /** 97.3% */
  readonly percent: (rate: number) => string;
  /** 3.42 */
  readonly ratio: (value: number) => string;
  /** 10:04:31.200 from milliseconds since the epoch. */
  readonly time_ms: (tick: number) => string;
  /** 10:04:31 */
  readonly time_s: (time: number) => string;
  /** 10:04 */
  readonly time_minute: (time: number) => string;
  /** 22 Nov */
  readonly day: (time: number) => string;
  /** 45 s, 3 min, 2 h */
  readonly duration: (seconds: number) => string;
  /** 12.3 MB */
  readonly bytes: (value: number) => string;
}

function make(language: Language): Format {
  const number = (options: Intl.NumberFormatOptions) => new Intl.NumberFormat(language, options);
  const yuan = { style: "currency", currency: "CNY", currencyDisplay: "narrowSymbol" } as const;
  const money = number(yuan);
  const whole = number({ ...yuan, maximumFractionDigits: 0 });
  const compact = { ...yuan, notation: "compact" } as const;
  const short = number({ ...compact, minimumFractionDigits: 2, maximumFractionDigits: 2 });
  const axis = number({ ...compact, minimumFractionDigits: 0, maximumFractionDigits: 1 });
  const plain = number({ minimumFractionDigits: 2, maximumFractionDigits: 2 });
  const signed = number({ ...yuan, signDisplay: "exceptZero", maximumFractionDigits: 0 });
  const count = number({ maximumFractionDigits: 0 });
  const count_short = number({ notation: "compact", maximumFractionDigits: 1 });
  const percent = number({ style: "percent", minimumFractionDigits: 1, maximumFractionDigits: 1 });
  const ratio = number({ minimumFractionDigits: 2, maximumFractionDigits: 2 });
  const unit = (name: string) => number({ style: "unit", unit: name, unitDisplay: "narrow", maximumFractionDigits: 1 });
  const [second, minute, hour] = [unit("second"), unit("minute"), unit("hour")];
  const size = (name: string) => number({ style: "unit", unit: name, maximumFractionDigits: 1 });
  const bytes = [size("byte"), size("kilobyte"), size("megabyte"), size("gigabyte")] as const;
  // A time that cannot be read is shown as such: it must not take the screen down.
  const shown = (formatter: Intl.DateTimeFormat, time: number) => (Number.isNaN(time) ? "–" : formatter.format(time));
  const clock = (options: Intl.DateTimeFormatOptions) =>
    new Intl.DateTimeFormat(language, { hour: "2-digit", minute: "2-digit", hourCycle: "h23", ...options });
  const time_ms = clock({ second: "2-digit", fractionalSecondDigits: 3 });
  const time_s = clock({ second: "2-digit" });
  const time_minute = clock({});
  const day = new Intl.DateTimeFormat(language, { day: "numeric", month: "short" });
  // Intl takes decimal texts and keeps all their digits; its type only knows literals.
  const exact = (amount: Amount) => amount as Intl.StringNumericLiteral;
  // The typographic minus is as wide as a digit.
  const minus = (text: string) => text.replace("-", "−");
  return {
    money: (amount) => minus(money.format(exact(amount))),
    money_whole: (amount) => minus(whole.format(exact(amount))),
    money_short: (amount) => minus(short.format(exact(amount))),
    money_axis: (amount) => minus(axis.format(amount)),
    amount: (amount) => minus(plain.format(exact(amount))),
    money_signed: (amount) => minus(signed.format(exact(amount))),
    count: (value) => minus(count.format(exact(value))),
    count_short: (value) => minus(count_short.format(value)),
    percent: (rate) => minus(percent.format(rate)),
    ratio: (value) => minus(ratio.format(value)),
    time_ms: (tick) => shown(time_ms, tick),
    time_s: (time) => shown(time_s, time),
    time_minute: (time) => shown(time_minute, time),
    day: (time) => shown(day, time),
    duration: (seconds) => {
      if (seconds < 60) return second.format(Math.round(seconds));
      return seconds < 3600 ? minute.format(Math.round(seconds / 60)) : hour.format(seconds / 3600);
    },
    bytes: (value) => {
      const power = Math.min(bytes.length - 1, Math.max(0, Math.floor(Math.log10(Math.max(value, 1)) / 3)));
      return (bytes[power] ?? bytes[0]).format(value / 1000 ** power);
    },
  };
}

const made = new Map<Language, Format>();

/** The formatters of a language. */
export function format_of(language: Language): Format {
  let format = made.get(language);
  if (!format) made.set(language, (format = make(language)));
  return format;
}
