// From a click to money that stays: each step with its count and what it kept of the step before.
import { sorted_rows } from "../../state/page";
import { format, t, word } from "../../state/settings";
import { Card } from "../../ui/card";

const rows = sorted_rows("sale_funnel", (a, b) => a.step_no - b.step_no);

function Steps() {
  const { count, percent } = format.value;
  return (
    <ol class="funnel">
      {rows.value
        .filter((row) => row.step !== "impression")
        .map((row, i) => (
          <li key={row.step}>
            <span class="label">{word("step_", row.step)}</span>
            <span class="value">{count(row.count)}</span>
            {i > 0 && row.rate_of_previous !== null ? (
              <span class="rate" title={t("of_previous")}>
                {percent(row.rate_of_previous)}
              </span>
            ) : (
              <span class="rate" />
            )}
            <span class="track">
              <span
                class="fill"
                style={{ transform: `scaleX(${i === 0 ? 1 : Math.min(1, row.rate_of_previous ?? 0).toFixed(4)})` }}
              />
            </span>
          </li>
        ))}
    </ol>
  );
}

export function FunnelCard() {
  return (
    <Card area="funnel" title={t("funnel")} views={["sale_funnel"]}>
      <Steps />
    </Card>
  );
}
