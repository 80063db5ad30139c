// The graph: tables on the left, what reads them to the right; a node says what it keeps and shows what it reads when chosen.
import { computed } from "@preact/signals";
import type { TargetedKeyboardEvent } from "preact";

import { format, t } from "../../state/settings";
import { Card } from "../../ui/card";
import { direct, layout, type Place } from "./layout";
import { chosen, chosen_view, reads_of, sizes, views } from "./sizes";

const [width, height, gap_x, gap_y] = [168, 40, 56, 12];

// The picture depends on the names alone, not on every tick's sizes.
const shape = computed(() => JSON.stringify(views.value.map((view) => [view.name, reads_of(view)]).sort()));
const placed = computed(() => layout(direct(new Map(JSON.parse(shape.value) as [string, string[]][]))));

const x_of = (place: Place) => place.column * (width + gap_x);
const y_of = (place: Place) => place.row * (height + gap_y);

function Edges() {
  const { places, edges } = placed.value;
  const name = chosen_view.value?.name;
  return (
    <>
      {edges.map(([from, to]) => {
        const [a, b] = [places.get(from), places.get(to)];
        if (!a || !b) return null;
        const [x1, y1, x2, y2] = [x_of(a) + width, y_of(a) + height / 2, x_of(b), y_of(b) + height / 2];
        const bend = Math.max(24, (x2 - x1) / 2);
        const near = from === name || to === name;
        return (
          <path
            key={`${from} ${to}`}
            class={near ? "edge near" : "edge"}
            d={`M${x1},${y1}C${x1 + bend},${y1} ${x2 - bend},${y2} ${x2},${y2}`}
          />
        );
      })}
    </>
  );
}

function Node({ place, kind }: { place: Place; kind: string }) {
  const { bytes, count_short } = format.value;
  const size = sizes.value.get(place.name);
  const is_chosen = chosen_view.value?.name === place.name;
  return (
    <g
      class={`node ${kind.replaceAll(" ", "-")} ${is_chosen ? "chosen" : ""}`}
      transform={`translate(${x_of(place)},${y_of(place)})`}
      role="button"
      tabIndex={is_chosen ? 0 : -1}
      aria-pressed={is_chosen}
      aria-label={place.name}
      data-node={place.name}
      onClick={() => (chosen.value = place.name)}
    >
      <rect width={width} height={height} rx={8} />
      <text x={12} y={17} class="name">
        {place.name.length > 21 ? `${place.name.slice(0, 20)}…` : place.name}
      </text>
      <text x={12} y={32} class="size">
        {size && size.bytes > 0 ? `${count_short(size.rows)} · ${bytes(size.bytes)}` : kind}
      </text>
    </g>
  );
}

/** Arrow keys go to the nearest node in their direction. */
function move(event: TargetedKeyboardEvent<SVGSVGElement>): void {
  const from = placed.value.places.get(chosen_view.value?.name ?? "");
  const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
  if (!from || !step) return;
  event.preventDefault();
  const [dx = 0, dy = 0] = step;
  const ahead = [...placed.value.places.values()].filter((to) =>
    dx !== 0 ? (to.column - from.column) * dx > 0 : to.column === from.column && (to.row - from.row) * dy > 0,
  );
  const far = (to: Place) => Math.abs(to.column - from.column) * 100 + Math.abs(to.row - from.row);
  const next = ahead.sort((a, b) => far(a) - far(b))[0];
  if (!next) return;
  chosen.value = next.name;
  const svg = event.currentTarget;
  requestAnimationFrame(() => svg.querySelector<SVGGElement>(`[data-node="${CSS.escape(next.name)}"]`)?.focus());
}

function Picture() {
  const { places, columns, rows } = placed.value;
  const kinds = new Map(views.value.map((view) => [view.name, view.kind]));
  const [w, h] = [columns * (width + gap_x) - gap_x + 4, rows * (height + gap_y) - gap_y + 4];
  return (
    <div class="scroll graph" tabIndex={0} role="region" aria-label={t("graph")}>
      <svg
        viewBox={`-2 -2 ${w} ${h}`}
        style={{ "--w": w, "--h": h }}
        role="group"
        aria-label={t("graph_hint")}
        onKeyDown={move}
      >
        <Edges />
        {[...places.values()].map((place) => (
          <Node key={place.name} place={place} kind={kinds.get(place.name) ?? ""} />
        ))}
      </svg>
    </div>
  );
}

export function Graph() {
  return (
    <Card area="graph" title={t("graph")} views={["trueup.views", "trueup.operators"]}>
      <Picture />
    </Card>
  );
}
