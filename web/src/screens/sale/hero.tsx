// The figures everybody looks at: money placed, paid, kept; and the tiles beside them.
import { computed, useComputed, type ReadonlySignal } from "@preact/signals";

import { Rate } from "../../state/rate";
import { sale, store } from "../../state/page";
import { format, t } from "../../state/settings";
import { AsOf } from "../../ui/card";
import { Sparkline } from "../../ui/sparkline";
import type { TextKey } from "../../text";
import { amount_number, type Amount, type SaleNow } from "../../views";
import { course } from "./minutes_rows";

const empty = "–";

/** The text of one of the sale's figures. */
function figure(pick: (row: SaleNow) => Amount | null, write: (value: Amount) => string): ReadonlySignal<string> {
  return computed(() => {
    const row = sale.value;
    const value = row ? pick(row) : null;
    return value === null ? empty : write(value);
  });
}

const money = (value: Amount) => format.value.money(value);
const money_whole = (value: Amount) => format.value.money_whole(value);
const count = (value: Amount) => format.value.count(value);
const percent = (value: Amount) => format.value.percent(Number(value));

const placed = figure((row) => row.placed, money);
const paid = figure((row) => row.paid, money_whole);
const net = figure((row) => row.net, money_whole);
const refunded = figure((row) => row.refunded, money_whole);

const order_rate = new Rate();
const orders_per_second = computed(() => {
  const row = sale.value;
  const rate = row && store.tick.value > 0 ? order_rate.push(store.tick.value, row.orders) : undefined;
  return rate === undefined ? empty : format.value.count(Math.max(0, rate));
});

const courses = {
  placed: course((row) => amount_number(row.placed)),
  paid: course((row) => amount_number(row.paid)),
  net: course((row) => amount_number(row.net)),
  refunded: course((row) => amount_number(row.refunded)),
};

export function Hero() {
  return (
    <section class="card hero" style={{ gridArea: "hero" }} data-card="hero" aria-label={t("placed")}>
      <div class="first">
        <h2>{t("placed")}</h2>
        <AsOf />
        <Cents text={placed} />
        <Sparkline values={courses.placed} tone="placed" />
      </div>
      <div class="others">
        <Money label="paid" text={paid} course={courses.paid} />
        <Money label="net" text={net} course={courses.net} />
        <Money label="refunded" text={refunded} course={courses.refunded} />
      </div>
    </section>
  );
}

/** An exact amount whose cents step back; its size follows its length, so that it never breaks or jumps. */
function Cents({ text }: { text: ReadonlySignal<string> }) {
  const whole = useComputed(() => text.value.replace(/\.\d+$/, ""));
  const cents = useComputed(() => /\.\d+$/.exec(text.value)?.[0] ?? "");
  const size = useComputed(() => `--letters: ${Math.max(12, text.value.length)}`);
  return (
    <p class="amount" data-figure="placed" style={size}>
      <span>{whole}</span>
      <small>{cents}</small>
    </p>
  );
}

function Money(props: { label: "paid" | "net" | "refunded"; text: ReadonlySignal<string>; course: Course }) {
  const { label, text, course } = props;
  return (
    <div class={`money ${label}`}>
      <h3 title={label === "net" ? t("net_hint") : undefined}>
        {t(label)}
        <AsOf size="short" />
      </h3>
      <p class="amount" data-figure={label}>
        {text}
      </p>
      <Sparkline values={course} tone={label} />
    </div>
  );
}

type Course = ReadonlySignal<readonly (number | null)[]>;

interface Tile {
  readonly key: TextKey;
  readonly text: ReadonlySignal<string>;
  readonly course: Course;
  readonly tone: string;
}

const tiles: readonly Tile[] = [
  { key: "orders_per_second", text: orders_per_second, course: course((row) => row.orders), tone: "placed" },
  { key: "orders", text: figure((row) => row.orders, count), course: course((row) => row.orders), tone: "placed" },
  { key: "buyers", text: figure((row) => row.buyers, count), course: course((row) => row.buyers), tone: "plain" },
  { key: "units", text: figure((row) => row.units, count), course: course((row) => row.units), tone: "plain" },
  {
    key: "aov",
    text: figure((row) => row.average_order_value, money),
    course: course((row) => (row.average_order_value === null ? null : amount_number(row.average_order_value))),
    tone: "plain",
  },
  {
    key: "payment_success",
    text: figure((row) => row.payment_success_rate, percent),
    course: course((row) => row.payment_success_rate),
    tone: "paid",
  },
  {
    key: "refund_rate",
    text: figure((row) => row.refund_rate, percent),
    course: course((row) => row.refund_rate),
    tone: "refunded",
  },
  {
    key: "pay_time",
    text: figure(
      (row) => row.pay_p95_s,
      (seconds) => format.value.duration(Number(seconds)),
    ),
    course: course((row) => row.pay_p95_s),
    tone: "paid",
  },
];

export function Tiles() {
  return (
    <div class="tiles" style={{ gridArea: "tiles" }} data-card="tiles">
      {tiles.map((tile) => (
        <section class="card tile" key={tile.key} aria-label={t(tile.key)}>
          <h3>{t(tile.key)}</h3>
          <p class="amount" data-figure={tile.key}>
            {tile.text}
          </p>
          <div class="course">
            <Sparkline values={tile.course} tone={tile.tone} />
            <AsOf size="short" />
          </div>
        </section>
      ))}
    </div>
  );
}
