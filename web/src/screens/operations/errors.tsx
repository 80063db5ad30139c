// Rows that could not be read or computed, until they are corrected.
import { sorted_rows } from "../../state/page";
import { t } from "../../state/settings";
import { Card } from "../../ui/card";
import { Table, type Column } from "../../ui/table";
import type { ErrorRow } from "../../views";

const rows = sorted_rows("trueup.errors", (a, b) => Number(b.tick) - Number(a.tick));
const listed_max = 100;

const columns = (): Column<ErrorRow>[] => [
  { key: "source", title: t("source"), cell: (row) => row.relation },
  { key: "code", title: t("code"), cell: (row) => <code>{row.code}</code> },
  { key: "message", title: t("message"), cell: (row) => row.message, tone: () => "wide" },
  { key: "position", title: t("position"), cell: (row) => <code>{row.position}</code> },
];

function List() {
  if (rows.value.length === 0) return <p class="note calm">{t("no_alerts")}</p>;
  return (
    <Table
      columns={columns()}
      rows={rows.value.slice(0, listed_max)}
      row_key={(row, index) => `${row.relation} ${row.position} ${index}`}
      label={t("errors")}
    />
  );
}

export function Errors() {
  return (
    <Card area="errors" title={t("errors")} views={["trueup.errors"]}>
      <List />
    </Card>
  );
}
