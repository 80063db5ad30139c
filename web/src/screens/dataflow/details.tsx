// The chosen view: what it keeps operator by operator, what it reads, how it is defined; and how the ticks run.
import { computed } from "@preact/signals";

import { store } from "../../state/page";
import { Rate } from "../../state/rate";
import { format, t } from "../../state/settings";
import { Card } from "../../ui/card";
import { Table, type Column } from "../../ui/table";
import { changes, chosen_operators, chosen_view, sizes, ticks, type OperatorSum } from "./sizes";

const meter = new Rate();
const updates = computed(() => {
  const row = ticks.value[0];
  return row && meter.push(store.tick.peek(), row.rows);
});

const columns = (): Column<OperatorSum>[] => [
  { key: "operator", title: t("operator"), cell: (row) => row.operator },
  { key: "rows", title: t("rows"), number: true, cell: (row) => format.value.count(row.rows) },
  { key: "bytes", title: t("bytes"), number: true, cell: (row) => format.value.bytes(row.bytes) },
  {
    key: "updates",
    title: t("updates"),
    number: true,
    cell: (row) => (row.updates === undefined ? "–" : format.value.count(Math.round(row.updates))),
  },
  {
    key: "busy",
    title: t("busy"),
    number: true,
    cell: (row) => (row.busy === undefined ? "–" : format.value.percent(row.busy)),
  },
  {
    key: "last_tick",
    title: t("last_tick"),
    number: true,
    cell: (row) => (row.last_tick > 0 ? format.value.time_s(row.last_tick) : "–"),
  },
];

function Ticks() {
  const { count, bytes } = format.value;
  const row = ticks.value[0];
  const all = [...sizes.value.values()].reduce((sum, size) => sum + size.bytes, 0);
  return (
    <dl class="state">
      <div>
        <dt>{t("updates")}</dt>
        <dd>{updates.value === undefined ? "–" : count(Math.round(updates.value))}</dd>
      </div>
      <div>
        <dt>{t("bytes")}</dt>
        <dd>{bytes(all)}</dd>
      </div>
      <div>
        <dt>{t("tick")}</dt>
        <dd>{row ? t("tick_took", { ms: row.last_ms.toFixed(1), n: count(row.last_rows) }) : "–"}</dd>
      </div>
    </dl>
  );
}

function View() {
  const view = chosen_view.value;
  if (!view) return null;
  const rate = changes.value.get(view.name);
  return (
    <>
      <h3 class="view-name">
        {view.name} <small>{view.kind}</small>
      </h3>
      {rate !== undefined && (
        <p class="reads" data-figure="changes">
          {t("changes")}: {format.value.count(Math.round(rate))}
        </p>
      )}
      {view.depends_on !== "" && (
        <p class="reads">
          {t("depends_on")}: {view.depends_on}
        </p>
      )}
      {chosen_operators.value.length > 0 && (
        <Table
          columns={columns()}
          rows={chosen_operators.value}
          row_key={(row) => row.operator}
          label={t("operators")}
        />
      )}
      <pre tabIndex={0} aria-label={t("definition")}>
        {view.definition}
      </pre>
    </>
  );
}

export function Details() {
  return (
    <Card area="details" title={t("operators")} views={["trueup.views", "trueup.operators", "trueup.ticks"]}>
      <Ticks />
      <View />
    </Card>
  );
}
