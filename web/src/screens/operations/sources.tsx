// Every source: how much it brings, how far it is behind, what it could not read.
import { computed } from "@preact/signals";

import { sorted_rows, store } from "../../state/page";
import { Rate } from "../../state/rate";
import { format, t } from "../../state/settings";
import { Card } from "../../ui/card";
import { Table, type Column } from "../../ui/table";
import type { SourceRow } from "../../views";

const rows = sorted_rows("trueup.sources", (a, b) => a.relation.localeCompare(b.relation));

const meters = new Map<string, Rate>();

/** Rows per second of each source. */
const rates = computed(() => {
  const tick = store.tick.peek();
  return new Map(
    rows.value.map((row) => {
      let meter = meters.get(row.relation);
      if (!meter) meters.set(row.relation, (meter = new Rate()));
      return [row.relation, meter.push(tick, row.rows)];
    }),
  );
});

function List() {
  const { count, bytes } = format.value;
  const columns: Column<SourceRow>[] = [
    {
      key: "source",
      title: t("source"),
      cell: (row) => (
        <>
          {row.relation} <small>{row.connector}</small>
        </>
      ),
    },
    {
      key: "state",
      title: t("state"),
      cell: (row) => row.error ?? (row.finished ? t("finished") : t("reading")),
      tone: (row) => (row.error ? "critical" : row.finished ? "muted" : "good"),
    },
    {
      key: "rate",
      title: t("rate"),
      number: true,
      cell: (row) => {
        const rate = rates.value.get(row.relation);
        return rate === undefined ? "–" : count(Math.round(rate));
      },
    },
    { key: "rows", title: t("rows"), number: true, cell: (row) => count(row.rows) },
    {
      key: "lag",
      title: t("lag"),
      number: true,
      cell: (row) => (row.lag_bytes === null ? "–" : bytes(row.lag_bytes)),
    },
    {
      key: "bad",
      title: t("bad"),
      number: true,
      cell: (row) => count(row.bad_rows),
      tone: (row) => (row.bad_rows > 0 ? "warning" : "muted"),
    },
    { key: "position", title: t("position"), cell: (row) => <code>{row.position}</code> },
  ];
  return <Table columns={columns} rows={rows.value} row_key={(row) => row.relation} label={t("sources_title")} />;
}

export function Sources() {
  return (
    <Card area="sources" title={t("sources_title")} views={["trueup.sources"]}>
      <List />
    </Card>
  );
}
