// Closed minutes that moved afterwards, the latest first: the screen's way of saying that history is kept true.
import { sorted_rows } from "../../state/page";
import { format, t, word } from "../../state/settings";
import { Card } from "../../ui/card";
import { amount_number } from "../../views";

const rows = sorted_rows("corrections", (a, b) => (b.latest_at ?? "").localeCompare(a.latest_at ?? ""));

/** More than fit on any screen, so that no width shows a gap. */
const shown = 12;

function Ticker() {
  const { money_signed, time_minute, count } = format.value;
  if (rows.value.length === 0) return <p class="note">{t("no_corrections")}</p>;
  return (
    <ol class="ticker">
      {rows.value.slice(0, shown).map((row) => (
        <li key={`${row.minute} ${row.cause}`} class={amount_number(row.moved) < 0 ? "down" : "up"}>
          {t("correction", {
            time: time_minute(Date.parse(row.minute)),
            amount: money_signed(row.moved),
            n: count(row.facts),
            cause: word(row.facts === 1 ? "one_" : "cause_", row.cause),
          })}
        </li>
      ))}
    </ol>
  );
}

export function Corrections() {
  return (
    <Card area="corrections" title={t("corrections")} views={["corrections"]}>
      <Ticker />
    </Card>
  );
}
