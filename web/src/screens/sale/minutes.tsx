// GMV per minute, placed and paid, against the earlier sale's same minute.
import { computed, signal } from "@preact/signals";
import type { EChartsCoreOption } from "echarts/core";

import { palette } from "../../charts/palette";
import { format, t } from "../../state/settings";
import { Card } from "../../ui/card";
import { Chart } from "../../ui/chart";
import { amount_number } from "../../views";
import { minutes, reached } from "./minutes_rows";

const tick = signal(0);

/** How many minutes of the earlier sale are shown ahead of this one. */
const ahead_minutes = 15;
/** How many minutes are shown at most: two hours are the picture, the rest is history. */
const minutes_max = 120;

const option = computed<EChartsCoreOption>(() => {
  const { ink, muted, line, surface, placed, paid, earlier, rem, font } = palette.value;
  const { money_axis, money_whole } = format.value;
  const last = reached.value.at(-1)?.minute_no ?? 0;
  const shown = minutes.value.filter((row) => row.minute_no > last - minutes_max && row.minute_no <= last + ahead_minutes);
  const closed = shown.filter((row) => row.minute_no < last);
  const text = { color: muted, fontFamily: font, fontSize: 0.9 * rem };
  const series = (name: string, color: string, data: unknown[], more: object) => ({
    type: "line",
    name,
    data,
    showSymbol: false,
    smooth: 0.25,
    color,
    lineStyle: { width: 0.17 * rem, color },
    emphasis: { disabled: true },
    ...more,
  });
  const running = reached.value.at(-1);
  const dot = (color: string, value: number | null) =>
    series("", color, value === null ? [] : [[last, value]], {
      showSymbol: true,
      symbolSize: 0.6 * rem,
      symbol: "circle",
      silent: true,
      itemStyle: { color: surface, borderColor: color, borderWidth: 0.15 * rem },
      tooltip: { show: false },
    });
  return {
    animation: false,
    grid: { left: 0.4 * rem, right: 1.2 * rem, top: 0.8 * rem, bottom: 0.2 * rem, containLabel: true },
    tooltip: {
      trigger: "axis",
      backgroundColor: surface,
      borderColor: line,
      textStyle: { color: ink, fontFamily: font, fontSize: 0.9 * rem },
      valueFormatter: (value: unknown) => (typeof value === "number" ? money_whole(value) : "–"),
      axisPointer: { lineStyle: { color: muted } },
    },
    xAxis: {
      type: "value",
      min: "dataMin",
      max: "dataMax",
      minInterval: 1,
      axisLabel: { ...text, hideOverlap: true, formatter: (value: number) => `+${value}′` },
      axisLine: { lineStyle: { color: line } },
      axisTick: { show: false },
      splitLine: { show: false },
    },
    yAxis: {
      type: "value",
      splitNumber: 4,
      axisLabel: { ...text, formatter: (value: number) => money_axis(value) },
      splitLine: { lineStyle: { color: line } },
    },
    series: [
      series(
        t("earlier_sale"),
        earlier,
        shown.filter((row) => row.earlier_placed !== null).map((row) => [row.minute_no, amount_number(row.earlier_placed)]),
        { lineStyle: { width: 0.13 * rem, color: earlier, type: [4, 4] } },
      ),
      series(t("this_sale"), placed, closed.map((row) => [row.minute_no, amount_number(row.placed)]), {
        areaStyle: { color: placed, opacity: 0.13 },
      }),
      series(t("this_paid"), paid, closed.map((row) => [row.minute_no, amount_number(row.paid)]), {}),
      dot(placed, running ? amount_number(running.placed) : null),
      dot(paid, running ? amount_number(running.paid) : null),
    ],
  };
});

export function Minutes() {
  const legend = (
    <ul class="legend">
      <li class="placed">{t("this_sale")}</li>
      <li class="paid">{t("this_paid")}</li>
      <li class="earlier">{t("earlier_sale")}</li>
    </ul>
  );
  return (
    <Card area="minutes" title={t("per_minute")} views={["sale_minutes"]} tick={tick} tools={legend}>
      <Chart option={option} tick={tick} label={t("per_minute")} />
    </Card>
  );
}
