//! The flash sale that is always on: a seeded world of orders, payments and refunds with everything that goes wrong in one.
//!
//! [`World`] makes the events in the order they arrive; [`truth()`] says what they amount to. Around it: the `simulator` connector
//! (typed rows, paced by the clock) and writers of NDJSON and CSV ([`write`]).
//!
//! Guarantees: the same [`WorldConfig`] gives the same events, byte for byte, on every machine (no floating-point functions, a
//! portable generator). Tables of one server with the same seed see one world: the stream of orders paid by the stream of payments.
//!
//! | stream | columns | key |
//! |---|---|---|
//! | `orders` | order_id, version, buyer_id, product_id, channel, quantity, amount, status (`placed`, `cancelled`), placed_at | order_id |
//! | `payments` | payment_id, version, order_id, amount, status (`authorised`, `captured`, `failed`), paid_at | payment_id |
//! | `refunds` | refund_id, version, order_id, amount, status (`requested`, `succeeded`, `failed`), refunded_at | refund_id |
//!
//! Connector options: `stream` (default: the table's name), `seed`, `orders` (0: endless), `rate` (orders per second), `start`
//! (RFC 3339; default: when the server first needs a simulator), `pace` (`real`, or `none`: all at once, needs `orders`).

mod batches;
mod event;
mod source;
#[cfg(test)]
mod tests;
mod truth;
mod world;
pub mod write;

pub use batches::check_schema;
pub use event::{Event, Order, Payment, Refund, Row, Stream};
pub(super) use source::SimulatorSource;
pub use truth::{OrderTruth, Truth, truth};
pub use world::{Faults, World, WorldConfig};
