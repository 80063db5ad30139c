// Questions of one's own, read-only. The answer stays live: it is asked for again when the ticks move.
import { computed, signal } from "@preact/signals";
import { useEffect } from "preact/hooks";

import { format, t } from "../../state/settings";
import { LiveQuery, type Answer, type Outcome } from "../../state/sql";
import type { Value } from "../../state/protocol";
import { AsOf } from "../../ui/card";
import { Table, type Column } from "../../ui/table";

const typed = signal("SELECT status, orders, placed, paid, net\nFROM sales_by_status\nORDER BY orders DESC");
const running = signal<string | undefined>(typed.value);
const outcome = signal<Outcome | undefined>(undefined);
const rows_max = 200;

/** The tick of the answer shown. */
const tick = computed(() => (outcome.value?.kind === "answer" ? outcome.value.answer.tick : 0));

const text_of = (value: Value) =>
  value === null ? "NULL" : typeof value === "object" ? JSON.stringify(value) : String(value);

const is_number = (type: string) => /int|numeric|decimal|double|real|float/i.test(type);

function Result({ answer }: { answer: Answer }) {
  const columns: Column<readonly Value[]>[] = answer.columns.map(({ name, type }, i) => ({
    key: `${i} ${name}`,
    title: name,
    number: is_number(type),
    cell: (row) => text_of(row[i] ?? null),
    tone: (row) => ((row[i] ?? null) === null ? "muted" : ""),
  }));
  const n = format.value.count(answer.rows.length);
  return (
    <>
      <p class="count" aria-live="polite">
        {answer.truncated ? t("truncated", { n }) : t("live_result", { n })}
      </p>
      <Table columns={columns} rows={answer.rows} row_key={(_, index) => String(index)} label={t("sql")} />
    </>
  );
}

function Shown() {
  const now = outcome.value;
  if (!now) return null;
  if (now.kind === "asking") return <p class="note">{t("loading")}</p>;
  if (now.kind === "answer") return <Result answer={now.answer} />;
  const { code, message, detail, hint } = now.refusal;
  return (
    <div class="refusal" role="alert">
      <b>{code}</b> {message}
      {detail && <p>{detail}</p>}
      {hint && <p>{hint}</p>}
    </div>
  );
}

const run = () => (running.value = typed.value);

export function SqlBox() {
  const sql = running.value;
  useEffect(() => {
    if (sql === undefined) return undefined;
    outcome.value = { kind: "asking" };
    const query = new LiveQuery(sql, [], rows_max);
    const stop = query.outcome.subscribe((now) => (outcome.value = now));
    return () => {
      stop();
      query.stop();
    };
  }, [sql]);
  return (
    <section class="card sql" style={{ gridArea: "sql" }} data-card="sql" aria-labelledby="title-sql">
      <header>
        <h2 id="title-sql">{t("sql")}</h2>
        <span class="count">{t("sql_hint")}</span>
        <AsOf tick={tick} />
      </header>
      <div class="body">
        <form
          onSubmit={(event) => {
            event.preventDefault();
            run();
          }}
        >
          <textarea
            aria-label={t("sql")}
            spellcheck={false}
            value={typed.value}
            onInput={(event) => (typed.value = event.currentTarget.value)}
            onKeyDown={(event) => {
              if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
              event.preventDefault();
              run();
            }}
          />
          <div class="filters">
            <button type="submit" class="button">
              {t("run")}
            </button>
            {sql !== undefined && (
              <button type="button" class="button quiet" onClick={() => (running.value = undefined)}>
                {t("stop")}
              </button>
            )}
          </div>
        </form>
        <div class="result">
          <Shown />
        </div>
      </div>
    </section>
  );
}
