// GMV by region and minute: where it is hot, and where it has gone quiet.
import { computed, signal } from "@preact/signals";
import type { EChartsCoreOption } from "echarts/core";

import { palette } from "../../charts/palette";
import { view_rows } from "../../state/page";
import { format, known, t } from "../../state/settings";
import { Card } from "../../ui/card";
import { Chart } from "../../ui/chart";
import { amount_number } from "../../views";

const rows = view_rows("sale_region_minutes");
const regions = view_rows("sale_regions");
const tick = signal(0);

const minutes_shown = 30;
const regions_shown = 12;

const option = computed<EChartsCoreOption>(() => {
  const { muted, ink, line, surface, heat, rem, font } = palette.value;
  const { money_whole, time_minute } = format.value;
  const last = rows.value.reduce((max, row) => Math.max(max, row.minute_no), 0);
  const first = Math.max(0, last - minutes_shown + 1);
  const names = [...regions.value]
    .sort((a, b) => a.rank - b.rank)
    .slice(0, regions_shown)
    .map((row) => known(row.region));
  const recent = rows.value.filter((row) => row.minute_no >= first);
  const times = new Map(recent.map((row) => [row.minute_no, row.minute]));
  const data = recent
    .map((row) => [row.minute_no - first, names.indexOf(known(row.region)), amount_number(row.placed)])
    .filter(([, region]) => region !== -1);
  const max = data.reduce((most, [, , placed]) => Math.max(most, placed ?? 0), 1);
  const columns = Array.from({ length: last - first + 1 }, (_, i) => {
    const minute = times.get(first + i);
    return minute === undefined ? "" : time_minute(Date.parse(minute));
  });
  const text = { color: muted, fontFamily: font, fontSize: 0.85 * rem };
  return {
    animation: false,
    grid: { left: 0.2 * rem, right: 0.3 * rem, top: 0.2 * rem, bottom: 0.1 * rem, containLabel: true },
    tooltip: {
      backgroundColor: surface,
      borderColor: line,
      textStyle: { color: ink, fontFamily: font, fontSize: 0.9 * rem },
      formatter: ({ value }: { value: [number, number, number] }) =>
        `${names[value[1]] ?? ""} · ${columns[value[0]] ?? ""}<br><b>${money_whole(value[2])}</b>`,
    },
    visualMap: { show: false, min: 0, max, inRange: { color: heat } },
    xAxis: {
      type: "category",
      data: columns,
      axisLabel: { ...text, hideOverlap: true, interval: "auto" },
      axisTick: { show: false },
      axisLine: { show: false },
    },
    yAxis: {
      type: "category",
      data: names,
      inverse: true,
      axisLabel: { ...text, interval: 0 },
      axisTick: { show: false },
      axisLine: { show: false },
    },
    series: [
      {
        type: "heatmap",
        data,
        itemStyle: { borderColor: surface, borderWidth: 0.1 * rem, borderRadius: 0.15 * rem },
        emphasis: { itemStyle: { borderColor: ink } },
      },
    ],
  };
});

export function Heat() {
  return (
    <Card area="heat" title={t("heat")} views={["sale_region_minutes", "sale_regions"]} tick={tick}>
      <Chart option={option} tick={tick} label={t("heat")} />
    </Card>
  );
}
