// What the attribution screen is asked to show, and the campaigns under it.
import { computed, effect, signal } from "@preact/signals";

import { view_rows } from "../../state/page";
import { t } from "../../state/settings";
import type { AttributionCampaign } from "../../views";

export const models = ["last_click", "first_click", "linear", "time_decay", "position_based"] as const;
export type Model = (typeof models)[number];

export const figures = ["roas_net", "net_revenue", "roas_gross", "gross_revenue"] as const;
export type Figure = (typeof figures)[number];

export const model = signal<Model>("last_click");
export const look_back = signal(7);
export const axis = signal<"click" | "conversion">("conversion");
export const figure = signal<Figure>("roas_net");

const rows = view_rows("attribution_campaigns");

/** The look-backs there are, in days: settings change them. */
export const look_backs = computed<readonly number[]>(() => {
  const found = [...new Set(rows.value.map((row) => row.lookback_days))].sort((a, b) => a - b);
  return found.length > 0 ? found : [look_back.value];
});

// One that is gone gives way to the middle one.
effect(() => {
  const there = look_backs.value;
  if (!there.includes(look_back.value)) look_back.value = there[Math.floor(there.length / 2)] ?? look_back.value;
});

/** A campaign with its row under each model. */
export interface Campaign {
  readonly id: string;
  readonly name: string;
  readonly platform: string;
  readonly by_model: ReadonlyMap<string, AttributionCampaign>;
}

/** The campaign that stands for what no campaign can be credited with. */
const uncredited = "(none)";
const platform_of = (row: AttributionCampaign) => (row.platform === null || row.platform === uncredited ? "" : row.platform);

/** The campaigns under the chosen look-back, in the ranking of the chosen model. */
export const campaigns = computed<readonly Campaign[]>(() => {
  const found = new Map<string, { row: AttributionCampaign; by_model: Map<string, AttributionCampaign> }>();
  for (const row of rows.value) {
    if (row.lookback_days !== look_back.value) continue;
    const entry = found.get(row.campaign_id) ?? { row, by_model: new Map<string, AttributionCampaign>() };
    entry.by_model.set(row.model, row);
    found.set(row.campaign_id, entry);
  }
  const rank = (campaign: Campaign) => campaign.by_model.get(model.value)?.rank ?? Number.MAX_SAFE_INTEGER;
  return [...found]
    .map(([id, { row, by_model }]) => ({ id, name: id === uncredited ? t("no_campaign") : (row.name ?? id), platform: platform_of(row), by_model }))
    .sort((a, b) => rank(a) - rank(b) || a.id.localeCompare(b.id));
});

/** How many campaigns the pictures draw: more lines are a tangle. */
export const lines_max = 8;

/** The colour of a drawn campaign, the same in every picture, whatever its rank among them. */
export const colour_index = computed(() => {
  const ids = campaigns.value.slice(0, lines_max).map((campaign) => campaign.id).sort();
  return new Map(ids.map((id, i) => [id, i]));
});
