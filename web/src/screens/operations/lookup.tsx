// One order by its id: its state, every fact about it, and all versions as they arrived. The answer follows the ticks for as long as it is looked at.
import { signal, useComputed, useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";

import { format, t } from "../../state/settings";
import { LiveQuery, objects, type Outcome } from "../../state/sql";
import { AsOf } from "../../ui/card";
import { Table, type Column } from "../../ui/table";
import type { Row, Value } from "../../state/protocol";
import { fact_columns, facts_sql, history_sql, state_sql, version_columns, type Fact, type Version } from "./lookup_sql";

const wanted = signal("");
const asking: Outcome = { kind: "asking" };

/** Follows one question about the wanted order. */
function useAnswer(sql: string): Outcome {
  const id = wanted.value;
  const outcome = useSignal<Outcome>(asking);
  useEffect(() => {
    if (id === "") return undefined;
    const query = new LiveQuery(sql, [id]);
    const stop = query.outcome.subscribe((now) => (outcome.value = now));
    return () => {
      stop();
      query.stop();
    };
  }, [id, sql, outcome]);
  return outcome.value;
}

function Form() {
  const typed = useSignal(wanted.value);
  return (
    <form
      class="filters"
      onSubmit={(event) => {
        event.preventDefault();
        wanted.value = typed.value.trim();
      }}
    >
      <input
        type="search"
        name="order"
        placeholder={t("lookup_hint")}
        aria-label={t("lookup_hint")}
        value={typed.value}
        onInput={(event) => (typed.value = event.currentTarget.value)}
      />
      <button type="submit" class="button">
        {t("look_up")}
      </button>
    </form>
  );
}

const is_time = /^\d{4}-\d\d-\d\dT/;

function shown_value(value: Value): string {
  if (typeof value === "string" && is_time.test(value)) {
    const time = Date.parse(value);
    return `${format.value.day(time)} ${format.value.time_s(time)}`;
  }
  if (typeof value === "boolean") return value ? "✓" : "";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

/** What an order's state says, without what is empty. */
function State({ row }: { row: Row }) {
  const shown = Object.entries(row).filter(([, value]) => value !== null && value !== false && value !== "0.00");
  return (
    <dl class="state">
      {shown.map(([name, value]) => (
        <div key={name}>
          <dt>{name.replaceAll("_", " ")}</dt>
          <dd>{shown_value(value)}</dd>
        </div>
      ))}
    </dl>
  );
}

function Found() {
  const state = useAnswer(state_sql);
  const facts = useAnswer(facts_sql);
  const versions = objects(useAnswer(history_sql)) as unknown as readonly Version[];
  const refused = [state, facts].find((outcome) => outcome.kind === "refused");
  if (refused?.kind === "refused") return <p class="note missing">{refused.refusal.message}</p>;
  if (state.kind === "asking" || facts.kind === "asking") return <p class="note">{t("loading")}</p>;
  const row = objects(state)[0];
  const rows = objects(facts) as unknown as readonly Fact[];
  if (!row && rows.length === 0 && versions.length === 0) return <p class="note">{t("not_found", { id: wanted.value })}</p>;
  const columns: Column<Fact>[] = fact_columns(format.value);
  return (
    <>
      {row && <State row={row} />}
      <h3>{t("facts")}</h3>
      <Table columns={columns} rows={rows} row_key={(fact) => `${fact.kind} ${fact.id}`} label={t("facts")} />
      {versions.length > 0 && (
        <>
          <h3>{t("versions")}</h3>
          <Table
            columns={version_columns(format.value)}
            rows={versions}
            row_key={(version) => String(version.trueup_arrival)}
            label={t("versions")}
          />
        </>
      )}
    </>
  );
}

export function Lookup() {
  const looking = useComputed(() => wanted.value !== "").value;
  return (
    <section class="card lookup" style={{ gridArea: "lookup" }} data-card="lookup" aria-labelledby="title-lookup">
      <header>
        <h2 id="title-lookup">{t("lookup")}</h2>
        <AsOf />
      </header>
      <div class="body">
        <Form />
        {looking ? <Found key={wanted.value} /> : <p class="note">{t("lookup_empty")}</p>}
      </div>
    </section>
  );
}
