// Which views the page reads and what their columns are: the one place to edit when dataflows/ renames something.
// Amounts are texts as the server sends DECIMAL ("12.50"): nothing is rounded on the way. Rates are 0..1, null when undefined.
// A view that the server does not have costs its card, not the page.

/** A DECIMAL or a large integer; `amount_number` reads it where a picture, not a figure, is drawn. */
export type Amount = string | number;
/** A TIMESTAMPTZ in RFC 3339. */
export type Time = string;

export interface SaleNow {
  sale_id: string;
  name: string;
  starts_at: Time;
  ends_at: Time;
  newest_order_at: Time | null;
  orders: number;
  buyers: number;
  units: number;
  placed: Amount;
  paid: Amount;
  refunded: Amount;
  net: Amount;
  average_order_value: Amount | null;
  paid_orders: number;
  kept_orders: number;
  cancelled_orders: number;
  payment_attempts: number;
  payment_success_rate: number | null;
  refund_rate: number | null;
  pay_p50_s: number | null;
  pay_p95_s: number | null;
  orders_last_minute: number;
  placed_last_minute: Amount;
  oversold_products: number;
  missing_fx_orders: number;
}

export interface SaleMinute {
  sale_id: string;
  minute: Time;
  minute_no: number;
  orders: number;
  buyers: number;
  units: number;
  placed: Amount;
  paid: Amount;
  refunded: Amount;
  net: Amount;
  average_order_value: Amount | null;
  paid_orders: number;
  kept_orders: number;
  refund_rate: number | null;
  payment_success_rate: number | null;
  pay_p50_s: number | null;
  pay_p95_s: number | null;
  earlier_orders: number | null;
  earlier_placed: Amount | null;
  earlier_paid: Amount | null;
}

export interface TopProduct {
  sale_id: string;
  rank: number;
  product_id: string;
  name: string | null;
  category: string | null;
  units: number;
  placed: Amount;
  paid: Amount;
  net: Amount;
}

export interface TopCategory {
  sale_id: string;
  rank: number;
  category: string | null;
  units: number;
  placed: Amount;
  paid: Amount;
  net: Amount;
}

export interface SaleRegion {
  sale_id: string;
  rank: number;
  region: string | null;
  orders: number;
  units: number;
  placed: Amount;
  paid: Amount;
  net: Amount;
}

export interface RegionMinute {
  sale_id: string;
  region: string | null;
  minute: Time;
  minute_no: number;
  orders: number;
  placed: Amount;
  paid: Amount;
  net: Amount;
}

export interface Stock {
  product_id: string;
  name: string | null;
  category: string | null;
  given: number;
  sold: number;
  left_over: number;
  burn_per_minute: number | null;
  minutes_left: number | null;
  oversold: boolean;
}

export type FunnelStep = "impression" | "click" | "order" | "paid" | "kept";

export interface Funnel {
  sale_id: string;
  step_no: number;
  step: FunnelStep;
  count: number;
  rate_of_previous: number | null;
  rate_of_first: number | null;
}

export type Severity = "critical" | "warning" | "info";

export interface Alert {
  alert_id: string;
  severity: Severity;
  kind: string;
  subject: string | null;
  message: string;
  since: Time | null;
}

export interface Correction {
  minute: Time;
  cause: string;
  facts: number;
  moved: Amount;
  latest_at: Time | null;
}

export interface AttributionCampaign {
  lookback_days: number;
  model: string;
  /** Null for what no campaign can be credited with. */
  rank: number | null;
  campaign_id: string;
  name: string | null;
  platform: string | null;
  gross: Amount;
  net: Amount;
  refunded: Amount;
  conversions: Amount;
  new_customers: Amount;
  spend: Amount | null;
  roas: number | null;
  gross_roas: number | null;
  cac: Amount | null;
}

export interface AttributionDay {
  lookback_days: number;
  date_axis: string;
  model: string;
  day: string;
  campaign_id: string;
  gross: Amount;
  net: Amount;
  refunded: Amount;
  spend: Amount | null;
}

export interface ChannelQuality {
  channel: string;
  orders: number;
  payment_attempts: number;
  payment_failures: number;
  quarantined: number;
  orphans: number;
  missing_fx: number;
  quarantine_rate: number | null;
  missing_region_rate: number | null;
  missing_buyer_rate: number | null;
}

export interface Quarantined {
  channel: string;
  kind: string;
  id: string;
  rule: string;
  detail: string | null;
  payload: string | null;
  updated_at: Time | null;
}

export interface ReconciliationSummary {
  channel: string;
  kind: string;
  status: string;
  /** Amounts are in this currency, not in the reporting one; null where nobody said. */
  currency: string | null;
  items: number;
  expected: Amount | null;
  settled: Amount | null;
  difference: Amount | null;
}

export interface SourceRow {
  relation: string;
  connector: string;
  rows: number;
  bad_rows: number;
  position: string;
  finished: boolean;
  /** How much of the source its reader knows of and has not read, where the source tells. */
  lag_bytes: number | null;
  error: string | null;
}

/** What a table's input came to; null is what such a table cannot know. */
export interface TableRow {
  relation: string;
  rows: number;
  received: number;
  duplicates: number | null;
  /** Rows that came after a newer version. */
  stale: number | null;
  /** Rows that lose now against another of their version. */
  conflicts: number | null;
  corrections: number | null;
  deletes: number;
  bad_rows: number;
  unknown_field_rows: number;
  /** Names, joined by ", ". */
  unknown_fields: string;
}

export interface SystemView {
  name: string;
  kind: string;
  tick: Amount;
  depends_on: string;
  definition: string;
  /** Rows that came and went so far; null for what is not kept. */
  changes: number | null;
}

export interface Operator {
  relation: string;
  worker: number;
  operator: string;
  rows: number;
  bytes: number;
  /** Rows put out so far, those that left too. */
  updates: number;
  /** Time taken so far on its worker's thread. */
  busy_ms: number;
  /** The last tick in which it put rows out; as a tick of the server, in milliseconds. */
  last_tick: number | string | null;
}

export interface TickRow {
  tick: Amount;
  ticks: number;
  rows: number;
  last_rows: number;
  last_ms: number;
}

export interface ErrorRow {
  tick: Amount;
  relation: string;
  position: string;
  code: string;
  message: string;
  payload: string | null;
}

/** Every view the page follows, with its row type. */
export interface Views {
  sale_now: SaleNow;
  sale_minutes: SaleMinute;
  sale_top_products: TopProduct;
  sale_top_categories: TopCategory;
  sale_regions: SaleRegion;
  sale_region_minutes: RegionMinute;
  sale_stock: Stock;
  sale_funnel: Funnel;
  alerts: Alert;
  corrections: Correction;
  attribution_campaigns: AttributionCampaign;
  channel_quality: ChannelQuality;
  quarantine: Quarantined;
  reconciliation_summary: ReconciliationSummary;
  "trueup.sources": SourceRow;
  "trueup.tables": TableRow;
  "trueup.views": SystemView;
  "trueup.operators": Operator;
  "trueup.ticks": TickRow;
  "trueup.errors": ErrorRow;
}

export type ViewName = keyof Views;

/** The screens, in the order of their keys. */
export const screens = ["sale", "attribution", "operations", "dataflow"] as const;
export type Screen = (typeof screens)[number];

/** What each screen follows; the frame's own views come with every one. */
export const followed: Readonly<Record<Screen, readonly ViewName[]>> = {
  sale: [
    "sale_minutes",
    "sale_top_products",
    "sale_top_categories",
    "sale_regions",
    "sale_region_minutes",
    "sale_stock",
    "sale_funnel",
    "corrections",
  ],
  attribution: ["attribution_campaigns"],
  operations: ["trueup.sources", "trueup.tables", "channel_quality", "quarantine", "reconciliation_summary", "trueup.errors"],
  dataflow: ["trueup.views", "trueup.operators", "trueup.ticks"],
};

/** What the frame shows on every screen. */
export const followed_always: readonly ViewName[] = ["sale_now", "alerts", "channel_quality"];

/** An amount for drawing and sorting, not for showing. */
export function amount_number(amount: Amount | null | undefined): number {
  return amount === null || amount === undefined ? 0 : Number(amount);
}
