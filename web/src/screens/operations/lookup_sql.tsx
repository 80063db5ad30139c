// The questions behind the order lookup, and how their answers are listed.
import type { Format } from "../../text/format";
import { t } from "../../state/settings";
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

/** A version of one of the order's facts that came after a newer one. */
export interface LateVersion {
  tick: Amount;
  relation: string;
  key: string;
  version: string;
  newest_version: string;
}

/**
 * The late versions known of the order's facts, the newest first. The model's ids are the channel, ":" and the raw table's key, whose
 * columns it joins by "/" or "-"; a line's key begins with its order's.
 */
export const late_sql = `
WITH facts AS (
  SELECT 'order' AS kind, $1 AS id
  UNION ALL SELECT 'payment', payment_id FROM payments WHERE order_id = $1
  UNION ALL SELECT 'refund', refund_id FROM refunds WHERE order_id = $1
  UNION ALL SELECT 'shipment', shipment_id FROM shipments WHERE order_id = $1
), raw (kind, name) AS (
  VALUES ('order', 'orders'), ('order', 'items'), ('order', 'trades'), ('order', 'lines'),
    ('payment', 'payments'), ('payment', 'transactions'), ('payment', 'notifications'),
    ('refund', 'refunds'), ('refund', 'transactions'), ('refund', 'notifications'), ('shipment', 'shipments')
), rows_of_order AS (
  SELECT DISTINCT 'raw_' || split_part(id, ':', 1) || '_' || name AS relation, substr(id, strpos(id, ':') + 1) AS id
  FROM facts JOIN raw USING (kind)
), late AS (
  SELECT *, replace(key, ', ', '/') AS id FROM trueup.stale_versions
  UNION ALL SELECT *, split_part(key, ', ', 1) FROM trueup.stale_versions
  UNION ALL SELECT *, split_part(key, ', ', 1) || '-' || split_part(key, ', ', 2) FROM trueup.stale_versions
)
SELECT DISTINCT tick, relation, key, version, newest_version
FROM late JOIN rows_of_order USING (relation, id)
ORDER BY tick DESC, relation, key, version`;

export function late_columns(format: Format): Column<LateVersion>[] {
  return [
    { key: "table", title: t("table"), cell: (late) => late.relation },
    { key: "id", title: t("id"), cell: (late) => <code>{late.key}</code> },
    { key: "version", title: t("version"), cell: (late) => late.version },
    { key: "newest", title: t("newest_version"), cell: (late) => late.newest_version },
    { key: "at", title: t("at"), number: true, cell: (late) => format.time_s(Number(late.tick)) },
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
