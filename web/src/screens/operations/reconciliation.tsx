// What the bank settled against what the channels said, per channel and verdict; what differs is on top.
import { sorted_rows } from "../../state/page";
import { format, t } from "../../state/settings";
import { Card } from "../../ui/card";
import { Table, type Column } from "../../ui/table";
import type { Amount, ReconciliationSummary } from "../../views";

const weight = (row: ReconciliationSummary) => (row.status === "matched" ? 1 : 0);
const key_of = (row: ReconciliationSummary) => `${row.channel} ${row.kind} ${row.status} ${row.currency ?? ""}`;
const rows = sorted_rows(
  "reconciliation_summary",
  (a, b) => weight(a) - weight(b) || key_of(a).localeCompare(key_of(b)),
);

function List() {
  const { count, amount: plain } = format.value;
  const money = (amount: Amount | null) => (amount === null ? "–" : plain(amount));
  const columns: Column<ReconciliationSummary>[] = [
    { key: "channel", title: t("channel"), cell: (row) => row.channel },
    { key: "kind", title: t("kind"), cell: (row) => row.kind },
    {
      key: "status",
      title: t("status"),
      cell: (row) => row.status.replaceAll("_", " "),
      tone: (row) => (row.status === "matched" ? "good" : "warning"),
    },
    { key: "items", title: t("items"), number: true, cell: (row) => count(row.items) },
    { key: "currency", title: t("currency"), cell: (row) => row.currency ?? "–" },
    { key: "expected", title: t("expected"), number: true, cell: (row) => money(row.expected) },
    { key: "settled", title: t("settled"), number: true, cell: (row) => money(row.settled) },
    { key: "difference", title: t("difference"), number: true, cell: (row) => money(row.difference) },
  ];
  return <Table columns={columns} rows={rows.value} row_key={key_of} label={t("reconciliation")} />;
}

export function Reconciliation() {
  return (
    <Card area="reconciliation" title={t("reconciliation")} views={["reconciliation_summary"]}>
      <List />
    </Card>
  );
}
