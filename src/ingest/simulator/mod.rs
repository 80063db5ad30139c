//! The flash sale that is always on: a seeded world told through every channel, with everything that goes wrong in one.
//!
//! Orders come in waves (quiet, countdown, spike, tail). Each order is a story made up when it is placed; platforms tell it in rows of
//! their raw tables, late, twice, overtaken, flawed and corrected. [`World`] makes the events in the order they arrive; [`truth()`] says
//! what they amount to. Around it: the `simulator` connector (typed rows, paced by the clock) and writers of files ([`write`]).
//!
//! Guarantees: the same [`WorldConfig`] gives the same events, byte for byte, on every machine (no floating-point functions, a
//! portable generator), whichever streams are asked for. Tables of one server with the same settings see one world: the orders of one
//! stream are paid in another. Everything flawed is corrected, everything lost arrives, before a finite world ends. Non-guarantee: the
//! same events for a seed in a later version.
//!
//! | stream | what |
//! |---|---|
//! | `raw_web_orders`, `raw_web_items`, `raw_web_payments`, `raw_web_refunds`, `raw_web_shipments` | our own shop, flat and typed |
//! | `raw_shopify_orders`, `raw_shopify_transactions` | order snapshots with nested lines, refunds, fulfilments; money in |
//! | `raw_stripe_events`, `raw_adyen_notifications` | payments of web orders from abroad and of Shopify orders |
//! | `raw_tmall_trades`, `raw_tmall_refunds`; `raw_douyin_orders`, `raw_douyin_refunds` | trades and after-sales |
//! | `raw_pos_lines` | receipt lines of tills |
//! | `products`, `stock`, `campaigns`, `touchpoints`, `ad_spend`, `fx_rates`, `settlements`, `sales`, `earlier_sales` | reference tables |
//!
//! Columns are those of the tables in `dataflows/`; a table may leave some out. Connector options: `stream` (default: the table's
//! name), `start` (RFC 3339; default: when the server first needs a simulator), `pace` (`real`, or `none`: all at once, needs `orders`),
//! and every setting of [`WorldConfig`]. Without touchpoints, settlements and malformed rows the web streams are the hot path's load.
//!
//! | setting | default | meaning |
//! |---|--:|---|
//! | `seed` | 42 | decides everything random |
//! | `orders` | 0 | orders in all, history included; 0: endless |
//! | `history` | 1000 | of these, orders placed in the 30 days before the world begins; they arrive at once |
//! | `rate` | 200 | orders per second in quiet times |
//! | `quiet`, `countdown`, `spike`, `tail` | 30, 60, 60, 450 | seconds of a wave's phases; waves follow each other |
//! | `spike_factor` | 8 | how many times the quiet rate the spike begins with |
//! | `web_percent` | 62 | of the orders come from our own shop; the other channels share the rest |
//! | `haste` | 1 | how many times faster everything follows upon an order; raise it with the rate: what is to come is kept in memory |
//! | `touched` | 0.55 | orders with advertising before them |
//! | `lookers`, `looker_clicks` | 2, 0.2 | people per order who see an advertisement and buy nothing, 0 to 20; those of them who click it |
//! | `late`, `out_of_order`, `duplicated` | 0.01, 0.05, 0.02 | of the events: ten seconds to five minutes late; overtaken; sent again |
//! | `malformed` | 0.002 | of the events: sent with a flaw first, corrected within half a minute |
//! | `lost` | 0.003 | of the orders: the news is lost, and comes minutes later from a reconciliation |
//! | `garbled` | 0 | of the lines written to files: preceded by a copy cut in half |
//! | `revised`, `cancelled`, `unpaid` | 0.04, 0.03, 0.08 | of the orders: another price, also after payment; cancelled; never paid |
//! | `pay_cancel_race` | 0.005 | of the orders: paid and cancelled at the same moment |
//! | `payment_first`, `refund_first` | 0.03, 0.10 | of the paid, of the refunded: the news of the money comes before what it is for |
//! | `partial`, `failed`, `authorised_only` | 0.05, 0.05, 0.01 | of the paid: in two or three parts; after a refused attempt; never captured |
//! | `paid_twice`, `orphaned` | 0.002, 0.002 | of the orders: paid again by mistake; a payment besides for an order nobody knows |
//! | `price_zero` | 0.0005 | of the orders: everything in it costs nothing |
//! | `refunded`, `late_refund`, `refund_reversed` | 0.06, 0.004, 0.03 | of the paid; of the paid, after 30 days; of the refunds |
//! | `chargeback` | 0.004 | of the payments by card |
//! | `settlement_late`, `settlement_differs`, `settlement_missing` | 0.01, 0.004, 0.002 | of the settlements; of the wrong ones half are corrected |

mod batches;
mod catalogue;
mod config;
mod dice;
mod marketing;
mod platform;
mod post;
mod reference;
mod source;
mod story;
mod stream;
#[cfg(test)]
mod tests;
mod truth;
mod value;
mod world;
pub mod write;

pub use batches::{check_schema, input_batch};
pub use config::{Curve, Faults, WorldConfig};
pub(super) use source::SimulatorSource;
pub use stream::{Event, Stream, StreamSet};
pub use truth::{OrderTruth, Truth, truth, write_truth};
pub use value::Value;
pub use world::World;
