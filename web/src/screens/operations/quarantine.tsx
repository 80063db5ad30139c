// Rows that failed a rule: why, and what was sent. They leave by themselves when a corrected version arrives.
import { computed, signal } from "@preact/signals";

import { view_rows } from "../../state/page";
import { format, t } from "../../state/settings";
import { Card } from "../../ui/card";
import { Table, type Column } from "../../ui/table";
import type { Quarantined } from "../../views";

const rows = view_rows("quarantine");
const channel = signal("");
const rule = signal("");
const search = signal("");
const chosen = signal<string | undefined>(undefined);

/** How many rows are listed; the filters reach all of them. */
const listed_max = 200;

const key_of = (row: Quarantined) => `${row.channel} ${row.kind} ${row.id} ${row.rule}`;
const time_of = (row: Quarantined) => row.updated_at ?? "";

const found = computed(() => {
  const wanted = search.value.trim().toLowerCase();
  return rows.value
    .filter(
      (row) =>
        (channel.value === "" || row.channel === channel.value) &&
        (rule.value === "" || row.rule === rule.value) &&
        (wanted === "" || `${row.id} ${row.detail ?? ""} ${row.payload ?? ""}`.toLowerCase().includes(wanted)),
    )
    .sort((a, b) => time_of(b).localeCompare(time_of(a)) || key_of(a).localeCompare(key_of(b)));
});

const words = (pick: (row: Quarantined) => string) => computed(() => [...new Set(rows.value.map(pick))].sort());
const channels = words((row) => row.channel);
const rules = words((row) => row.rule);

function Select({ label, value, options }: { label: string; value: typeof channel; options: readonly string[] }) {
  return (
    <select aria-label={label} value={value.value} onChange={(event) => (value.value = event.currentTarget.value)}>
      <option value="">{`${label}: ${t("all")}`}</option>
      {options.map((option) => (
        <option key={option} value={option}>
          {option}
        </option>
      ))}
    </select>
  );
}

/** JSON with its nesting shown; anything else as it came. */
function pretty(payload: string): string {
  try {
    return JSON.stringify(JSON.parse(payload), null, 2);
  } catch {
    return payload;
  }
}

function Browser() {
  const { count, time_s } = format.value;
  if (rows.value.length === 0) return <p class="note calm">{t("quarantine_none")}</p>;
  const listed = found.value.slice(0, listed_max);
  const row = listed.find((candidate) => key_of(candidate) === chosen.value) ?? listed[0];
  const columns: Column<Quarantined>[] = [
    { key: "id", title: t("id"), cell: (r) => r.id },
    { key: "channel", title: t("channel"), cell: (r) => r.channel },
    { key: "kind", title: t("kind"), cell: (r) => r.kind },
    { key: "rule", title: t("rule"), cell: (r) => r.rule.replaceAll("_", " ") },
    { key: "at", title: t("at"), cell: (r) => (time_of(r) === "" ? "–" : time_s(Date.parse(time_of(r)))) },
  ];
  return (
    <>
      <div class="filters">
        <input
          type="search"
          placeholder={t("search")}
          aria-label={t("search")}
          value={search.value}
          onInput={(event) => (search.value = event.currentTarget.value)}
        />
        <Select label={t("channel")} value={channel} options={channels.value} />
        <Select label={t("rule")} value={rule} options={rules.value} />
        <span class="count">{t("showing", { n: count(listed.length), all: count(rows.value.length) })}</span>
      </div>
      <div class="split">
        <Table
          columns={columns}
          rows={listed}
          row_key={key_of}
          label={t("quarantine")}
          chosen={row && key_of(row)}
          choose={(r) => (chosen.value = key_of(r))}
        />
        {row && (
          <div class="detail" aria-live="polite">
            <h3>{row.id}</h3>
            <p>{row.detail ?? row.rule}</p>
            {row.payload !== null && <pre tabIndex={0}>{pretty(row.payload)}</pre>}
          </div>
        )}
      </div>
    </>
  );
}

export function Quarantine() {
  return (
    <Card area="quarantine" title={t("quarantine")} views={["quarantine"]}>
      <Browser />
    </Card>
  );
}
