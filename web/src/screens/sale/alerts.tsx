// What wants somebody's attention now; a row leaves by itself when its cause is gone.
import { computed } from "@preact/signals";

import { view_rows } from "../../state/page";
import { format, t, word } from "../../state/settings";
import { Card } from "../../ui/card";
import { Icon } from "../../ui/icon";
import type { Severity } from "../../views";

const rows = view_rows("alerts");
const weights: Readonly<Record<Severity, number>> = { critical: 0, warning: 1, info: 2 };

/** How many alerts the strip has room for. */
const slots = 5;

const sorted = computed(() =>
  [...rows.value].sort(
    (a, b) => weights[a.severity] - weights[b.severity] || (b.since ?? "").localeCompare(a.since ?? ""),
  ),
);

function List() {
  const { count, time_s } = format.value;
  if (sorted.value.length === 0) {
    return (
      <p class="note calm">
        <Icon name="calm" />
        {t("no_alerts")}
      </p>
    );
  }
  const more = sorted.value.length - slots;
  return (
    <ul class="alerts" aria-live="polite">
      {sorted.value.slice(0, slots).map((alert) => (
        <li key={alert.alert_id} class={alert.severity}>
          <span class="unseen">{t(`severity_${alert.severity}`)}</span>
          <Icon name={alert.severity === "info" ? "info" : "warning"} />
          <span class="message">
            <b>{word("alert_", alert.kind)}</b> {alert.subject !== null && !alert.message.includes(":") && `${alert.subject} · `}
            {alert.message}
          </span>
          {alert.since !== null && <time dateTime={alert.since}>{time_s(Date.parse(alert.since))}</time>}
        </li>
      ))}
      {more > 0 && <li class="more">+{count(more)}</li>}
    </ul>
  );
}

export function Alerts() {
  return (
    <Card area="alerts" title={t("alerts")} views={["alerts"]}>
      <List />
    </Card>
  );
}
