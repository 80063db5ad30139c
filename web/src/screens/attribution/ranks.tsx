// The ranking of campaigns under each model as lines: where they cross, the model decides who gets the money.
import { computed, signal } from "@preact/signals";
import type { EChartsCoreOption } from "echarts/core";

import { palette } from "../../charts/palette";
import { t, word } from "../../state/settings";
import { Card } from "../../ui/card";
import { Chart } from "../../ui/chart";
import { campaigns, colour_index, lines_max, models } from "./choices";

const tick = signal(0);

const option = computed<EChartsCoreOption>(() => {
  const { muted, ink, line, surface, series, rem, font } = palette.value;
  const text = { color: muted, fontFamily: font, fontSize: 0.9 * rem };
  const shown = campaigns.value.filter((c) => models.some((model) => c.by_model.get(model)?.rank)).slice(0, lines_max);
  return {
    animation: false,
    grid: { left: 1 * rem, right: 9.5 * rem, top: 0.8 * rem, bottom: 0.2 * rem, containLabel: true },
    tooltip: {
      trigger: "axis",
      backgroundColor: surface,
      borderColor: line,
      textStyle: { color: ink, fontFamily: font, fontSize: 0.9 * rem },
      order: "valueAsc",
    },
    xAxis: {
      type: "category",
      data: models.map((model) => word("model_", model).replace(" ", "\n")),
      axisLabel: { ...text, fontSize: 0.82 * rem, interval: 0 },
      axisLine: { show: false },
      axisTick: { show: false },
    },
    yAxis: {
      type: "value",
      inverse: true,
      min: 1,
      minInterval: 1,
      axisLabel: text,
      splitLine: { show: false },
    },
    series: shown.map((campaign) => {
      const color = series[(colour_index.value.get(campaign.id) ?? 0) % series.length] ?? ink;
      return {
        type: "line",
        name: campaign.name,
        color,
        data: models.map((model) => campaign.by_model.get(model)?.rank ?? null),
        symbol: "circle",
        symbolSize: 0.7 * rem,
        lineStyle: { width: 0.18 * rem, color },
        endLabel: { show: true, formatter: "{a}", color: ink, fontFamily: font, fontSize: 0.9 * rem, distance: 0.7 * rem },
        emphasis: { focus: "series" },
      };
    }),
  };
});

export function Ranks() {
  return (
    <Card area="ranks" title={t("rank_change")} views={["attribution_campaigns"]} tick={tick}>
      <Chart option={option} tick={tick} label={t("rank_change")} />
    </Card>
  );
}
