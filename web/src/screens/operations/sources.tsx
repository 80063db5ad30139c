// Every table and its source: how much it brings, how far it is behind, what was unreadable, came twice, too late or contradicted.
import { computed } from "@preact/signals";

import { sorted_rows, store, view_rows } from "../../state/page";
import { Rates } from "../../state/rate";
import { format, t } from "../../state/settings";
import { Card } from "../../ui/card";
import { Table, type Column } from "../../ui/table";
import type { SourceRow, TableRow } from "../../views";

interface Row extends TableRow {
  /** None for a table that is written by clients. */
  readonly source: SourceRow | undefined;
}

const sources = view_rows("trueup.sources");
const tables = sorted_rows("trueup.tables", (a, b) => a.relation.localeCompare(b.relation));

const rows = computed<readonly Row[]>(() => {
  const by_table = new Map(sources.value.map((source) => [source.relation, source]));
  return tables.value.map((table) => ({ ...table, source: by_table.get(table.relation) }));
});

const meters = new Rates();

/** Rows per second into each table. */
const rates = computed(() => {
  const tick = store.tick.peek();
  return new Map(tables.value.map((row) => [row.relation, meters.push(row.relation, tick, row.received)]));
});

function List() {
  const { count, bytes, percent } = format.value;
  /** Of the readable rows; a dash where the table cannot know or nothing has come. */
  const share = (key: string, title: string, pick: (row: Row) => number | null): Column<Row> => ({
    key,
    title,
    number: true,
    cell: (row) => {
      const n = pick(row);
      return n === null || row.received === 0 ? "–" : <span title={count(n)}>{percent(n / row.received)}</span>;
    },
    tone: (row) => (pick(row) ? "" : "muted"),
  });
  const columns: Column<Row>[] = [
    {
      key: "source",
      title: t("source"),
      cell: (row) => (
        <>
          {row.relation} <small>{row.source?.connector}</small>
        </>
      ),
    },
    {
      key: "state",
      title: t("state"),
      cell: ({ source }) => (source ? (source.error ?? (source.finished ? t("finished") : t("reading"))) : "–"),
      tone: ({ source }) => (source?.error ? "critical" : !source || source.finished ? "muted" : "good"),
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
    {
      key: "lag",
      title: t("lag"),
      number: true,
      cell: ({ source }) => (source && source.lag_bytes !== null ? bytes(source.lag_bytes) : "–"),
    },
    share("duplicates", t("duplicates"), (row) => row.duplicates),
    share("late", t("late_versions"), (row) => row.stale),
    {
      key: "conflicts",
      title: t("conflicts"),
      number: true,
      cell: (row) => (row.conflicts === null ? "–" : count(row.conflicts)),
      tone: (row) => (row.conflicts ? "warning" : "muted"),
    },
    {
      key: "bad",
      title: t("bad"),
      number: true,
      cell: (row) => count(row.bad_rows),
      tone: (row) => (row.bad_rows > 0 ? "warning" : "muted"),
    },
    {
      key: "unknown",
      title: t("unknown_fields"),
      number: true,
      cell: (row) => <span title={row.unknown_fields}>{count(row.unknown_field_rows)}</span>,
      tone: (row) => (row.unknown_field_rows > 0 ? "warning" : "muted"),
    },
    { key: "rows", title: t("rows"), number: true, cell: (row) => count(row.received) },
    { key: "position", title: t("position"), cell: (row) => <code>{row.source?.position}</code> },
  ];
  return <Table columns={columns} rows={rows.value} row_key={(row) => row.relation} label={t("sources_title")} />;
}

export function Sources() {
  return (
    <Card area="sources" title={t("sources_title")} views={["trueup.sources", "trueup.tables"]}>
      <List />
    </Card>
  );
}
