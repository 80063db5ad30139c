// The parts of ECharts that the page uses, in a chunk of their own that is asked for once the first numbers are there.
import { HeatmapChart, LineChart } from "echarts/charts";
import { GridComponent, TooltipComponent, VisualMapComponent } from "echarts/components";
import { init, use as with_parts } from "echarts/core";
import { CanvasRenderer } from "echarts/renderers";

with_parts([LineChart, HeatmapChart, GridComponent, TooltipComponent, VisualMapComponent, CanvasRenderer]);

export { init };
