// The views that the page follows, as plain tables that a test fills: exact figures without a simulator.

export const tables = `
CREATE TABLE sale_now (
  sale_id TEXT PRIMARY KEY, name TEXT, starts_at TIMESTAMPTZ, ends_at TIMESTAMPTZ, newest_order_at TIMESTAMPTZ,
  orders BIGINT, buyers BIGINT, units BIGINT, placed DECIMAL(18,2), paid DECIMAL(18,2), refunded DECIMAL(18,2),
  net DECIMAL(18,2), average_order_value DECIMAL(18,2), paid_orders BIGINT, kept_orders BIGINT, cancelled_orders BIGINT,
  payment_attempts BIGINT, payment_success_rate DOUBLE PRECISION, refund_rate DOUBLE PRECISION, pay_p50_s DOUBLE PRECISION,
  pay_p95_s DOUBLE PRECISION, orders_last_minute BIGINT, placed_last_minute DECIMAL(18,2), oversold_products BIGINT,
  missing_fx_orders BIGINT);
CREATE TABLE sale_top_products (
  sale_id TEXT, rank BIGINT, product_id TEXT PRIMARY KEY, name TEXT, category TEXT, units BIGINT, placed DECIMAL(18,2),
  paid DECIMAL(18,2), net DECIMAL(18,2));
CREATE TABLE sale_stock (
  product_id TEXT PRIMARY KEY, name TEXT, category TEXT, given BIGINT, sold BIGINT, left_over BIGINT,
  burn_per_minute DOUBLE PRECISION, minutes_left DOUBLE PRECISION, oversold BOOLEAN);
CREATE TABLE alerts (
  alert_id TEXT PRIMARY KEY, severity TEXT, kind TEXT, subject TEXT, message TEXT, since TIMESTAMPTZ);
CREATE TABLE corrections (
  minute TIMESTAMPTZ, cause TEXT, facts BIGINT, moved DECIMAL(18,2), latest_at TIMESTAMPTZ, PRIMARY KEY (minute, cause));
CREATE TABLE channel_quality (
  channel TEXT PRIMARY KEY, orders BIGINT, payment_attempts BIGINT, payment_failures BIGINT, quarantined BIGINT,
  orphans BIGINT, missing_fx BIGINT, quarantine_rate DOUBLE PRECISION, missing_region_rate DOUBLE PRECISION,
  missing_buyer_rate DOUBLE PRECISION);
CREATE TABLE quarantine (channel TEXT, kind TEXT, id TEXT PRIMARY KEY, rule TEXT, detail TEXT, payload TEXT, updated_at TIMESTAMPTZ);
`;

/** Sets the sale's figures: orders and amounts given, the rest fixed. */
export function sale(orders: number, placed: string, paid: string, refunded: string, net: string): string {
  return `INSERT INTO sale_now VALUES ('s1', 'Autumn', '2026-11-11T00:00:00Z', '2026-11-12T00:00:00Z', NULL, ${orders}, 7, 9,
    ${placed}, ${paid}, ${refunded}, ${net}, 260.5, 1, 1, 0, 10, 0.973, 0.031, 4, 38, 1, 1, 0, 0)`;
}
