// Net revenue per day and campaign on the chosen date axis: booked on the click's day, history keeps changing.
// attribution_daily is too large to be followed whole, so its one slice is asked for again when the ticks move.
import { computed, signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { EChartsCoreOption } from "echarts/core";

import { palette } from "../../charts/palette";
import { format, t } from "../../state/settings";
import { LiveQuery, objects, type Outcome } from "../../state/sql";
import { Card } from "../../ui/card";
import { Choice } from "../../ui/choice";
import { Chart } from "../../ui/chart";
import { amount_number, type AttributionDay } from "../../views";
import { axis, campaigns, colour_index, lines_max, look_back, model } from "./choices";

const tick = signal(0);
const outcome = signal<Outcome>({ kind: "asking" });

const sql =
  "SELECT day, campaign_id, net FROM attribution_daily " +
  "WHERE lookback_days = $1 AND date_axis = $2 AND model = $3 ORDER BY day, campaign_id";

const option = computed<EChartsCoreOption>(() => {
  const { muted, ink, line, surface, series, rem, font } = palette.value;
  const { money_axis, money_whole, day } = format.value;
  const rows = objects(outcome.value) as unknown as readonly Pick<AttributionDay, "day" | "campaign_id" | "net">[];
  const text = { color: muted, fontFamily: font, fontSize: 0.9 * rem };
  const days = [...new Set(rows.map((row) => row.day))];
  const nets = new Map(rows.map((row) => [`${row.day} ${row.campaign_id}`, amount_number(row.net)]));
  return {
    animation: false,
    grid: { left: 0.4 * rem, right: 1 * rem, top: 0.8 * rem, bottom: 0.2 * rem, containLabel: true },
    tooltip: {
      trigger: "axis",
      backgroundColor: surface,
      borderColor: line,
      textStyle: { color: ink, fontFamily: font, fontSize: 0.9 * rem },
      valueFormatter: (value: unknown) => (typeof value === "number" ? money_whole(value) : "–"),
    },
    xAxis: {
      type: "category",
      data: days.map((text_day) => day(Date.parse(`${text_day}T00:00:00`))),
      axisLabel: text,
      axisLine: { lineStyle: { color: line } },
      axisTick: { show: false },
    },
    yAxis: {
      type: "value",
      splitNumber: 3,
      axisLabel: { ...text, formatter: (value: number) => money_axis(value) },
      splitLine: { lineStyle: { color: line } },
    },
    series: campaigns.value.slice(0, lines_max).map((campaign) => {
      const color = series[(colour_index.value.get(campaign.id) ?? 0) % series.length] ?? ink;
      return {
        type: "line",
        name: campaign.name,
        color,
        data: days.map((text_day) => nets.get(`${text_day} ${campaign.id}`) ?? null),
        showSymbol: days.length < 40,
        symbol: "circle",
        symbolSize: 0.35 * rem,
        lineStyle: { width: 0.15 * rem, color },
      };
    }),
  };
});

function Axis() {
  return (
    <Choice
      label={t("date_axis")}
      value={axis}
      options={[
        { value: "click", label: t("axis_click") },
        { value: "conversion", label: t("axis_conversion") },
      ]}
    />
  );
}

export function Days() {
  const [days, booked, by_model] = [look_back.value, axis.value, model.value];
  useEffect(() => {
    const query = new LiveQuery(sql, [days, booked, by_model], 5000);
    const stop = query.outcome.subscribe((now) => (outcome.value = now));
    return () => {
      stop();
      query.stop();
    };
  }, [days, booked, by_model]);
  const now = outcome.value;
  return (
    <Card area="days" title={t("by_day")} views={["attribution_campaigns"]} tick={answer_tick} tools={<Axis />}>
      {now.kind === "refused" ? (
        <p class="note missing">{now.refusal.message}</p>
      ) : (
        <Chart option={option} tick={tick} label={t("by_day")} />
      )}
    </Card>
  );
}

/** The tick of the answer that is drawn. */
const answer_tick = computed(() => (outcome.value.kind === "answer" ? outcome.value.answer.tick : 0));
