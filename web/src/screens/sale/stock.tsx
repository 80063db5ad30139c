// How fast the stock given to the sale burns; what runs out first is on top, what is sold twice is an alarm.
import { computed } from "@preact/signals";

import { view_rows } from "../../state/page";
import { format, t } from "../../state/settings";
import { Bars, type Bar } from "../../ui/bars";
import { Card } from "../../ui/card";
import { Icon } from "../../ui/icon";
import type { Stock } from "../../views";

const rows = view_rows("sale_stock");

/** Minutes left below which a bar turns to a warning. */
const soon_minutes = 15;

function urgency(row: Stock): number {
  if (row.oversold) return -1e9 + row.left_over;
  return row.minutes_left ?? 1e9 - row.sold / Math.max(1, row.given);
}

function bar(row: Stock): Bar {
  const { count, duration } = format.value;
  const base = { key: row.product_id, label: row.name ?? row.product_id, share: row.sold / Math.max(1, row.given) };
  if (row.oversold) {
    const value = t("oversold", { n: count(-row.left_over) });
    return { ...base, value, tone: "critical", mark: <Icon name="warning" /> };
  }
  if (row.left_over === 0) return { ...base, value: t("sold_out"), tone: "warning" };
  const value = t("left", { n: count(row.left_over) });
  if (row.minutes_left === null) return { ...base, value, tone: "stock" };
  const note = t("gone_in", { time: duration(row.minutes_left * 60) });
  return { ...base, value, note, tone: row.minutes_left < soon_minutes ? "warning" : "stock" };
}

const bars = computed(() => [...rows.value].sort((a, b) => urgency(a) - urgency(b)).map(bar));

export function StockCard() {
  return (
    <Card area="stock" title={t("stock")} views={["sale_stock"]}>
      <Bars bars={bars.value} slots={8} ranked={false} />
    </Card>
  );
}
