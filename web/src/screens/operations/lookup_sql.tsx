// The questions behind the order lookup, and how their answers are listed.
import type { Format } from "../../text/format";
import { t, word } from "../../state/settings";
import type { Column } from "../../ui/table";
import type { Amount, Time } from "../../views";

/** The order as its facts make it. */
export const state_sql = "SELECT * FROM order_state WHERE order_id = $1";

/** One thing a channel said about the order. */
export interface Fact {
  kind: string;
  id: string;
  channel: string | null;
  status: string | null;
  amount: Amount | null;
  currency: string | null;
  at: Time | null;
}

/** The newest version of everything a channel said about the order, in the order it happened. */
export const facts_sql = `
SELECT * FROM (
  SELECT 'order' AS kind, order_id AS id, channel, status, amount, currency, placed_at AS at FROM orders WHERE order_id = $1
  UNION ALL
  SELECT 'item', line_id, NULL, product_id || ' × ' || quantity, amount, NULL, NULL FROM order_items WHERE order_id = $1
  UNION ALL
  SELECT 'payment', payment_id, channel, status, amount, currency, coalesce(paid_at, created_at) FROM payments WHERE order_id = $1
  UNION ALL
  SELECT kind, refund_id, channel, status, amount, currency, coalesce(refunded_at, requested_at) FROM refunds WHERE order_id = $1
  UNION ALL
  SELECT 'shipment', shipment_id, channel, status || ' × ' || quantity, NULL, NULL, shipped_at FROM shipments WHERE order_id = $1
) AS facts
ORDER BY at NULLS FIRST, kind, id`;

/** One version of something that arrived about the order. */
export interface Version {
  trueup_arrival: Amount;
  trueup_arrival_tick: Amount;
  trueup_outcome: string;
  kind: string;
  id: string;
  version: string;
  status: string | null;
  amount: Amount | null;
}

/** All that arrived about the order, the late versions too; refused by a server whose dataflows keep no history. */
export const history_sql = "SELECT * FROM order_history WHERE order_id = $1 ORDER BY trueup_arrival";

export function version_columns(format: Format): Column<Version>[] {
  return [
    { key: "arrived", title: t("arrived"), cell: (version) => format.time_s(Number(version.trueup_arrival_tick)) },
    {
      key: "outcome",
      title: t("outcome"),
      cell: (version) => word("outcome_", version.trueup_outcome),
      tone: ({ trueup_outcome }) => (["stale", "conflict"].includes(trueup_outcome) ? "warning" : ""),
    },
    { key: "kind", title: t("kind"), cell: (version) => version.kind },
    { key: "status", title: t("status"), cell: (version) => version.status ?? "" },
    { key: "amount", title: t("amount"), number: true, cell: (version) => version.amount ?? "" },
    { key: "id", title: t("id"), cell: (version) => <code>{version.id}</code> },
    { key: "version", title: t("version"), cell: (version) => version.version },
  ];
}

export function fact_columns(format: Format): Column<Fact>[] {
  return [
    { key: "kind", title: t("kind"), cell: (fact) => fact.kind },
    { key: "id", title: t("id"), cell: (fact) => <code>{fact.id}</code> },
    { key: "channel", title: t("channel"), cell: (fact) => fact.channel ?? "" },
    { key: "status", title: t("status"), cell: (fact) => fact.status ?? "" },
    {
      key: "amount",
      title: t("amount"),
      number: true,
      cell: (fact) => (fact.amount === null ? "" : `${fact.amount} ${fact.currency ?? ""}`),
    },
    {
      key: "at",
      title: t("at"),
      number: true,
      cell: (fact) => (fact.at === null ? "" : format.time_s(Date.parse(fact.at))),
    },
  ];
}
