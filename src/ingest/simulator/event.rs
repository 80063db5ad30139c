//! What happens in the simulated world: orders, payments, refunds, each a versioned row.

use crate::model::Op;

/// The three tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stream {
    /// Orders.
    Orders,
    /// Payments.
    Payments,
    /// Refunds.
    Refunds,
}

impl Stream {
    /// All of them.
    pub const ALL: [Stream; 3] = [Stream::Orders, Stream::Payments, Stream::Refunds];

    /// The table's usual name.
    pub fn name(self) -> &'static str {
        match self {
            Stream::Orders => "orders",
            Stream::Payments => "payments",
            Stream::Refunds => "refunds",
        }
    }

    /// The stream of that name.
    pub fn from_name(name: &str) -> Option<Stream> {
        Stream::ALL.into_iter().find(|stream| stream.name() == name)
    }

    /// Its columns with an example value each.
    pub(super) fn columns(self) -> Vec<(&'static str, Value)> {
        match self {
            Stream::Orders => Row::Order(Order::default()).fields(),
            Stream::Payments => Row::Payment(Payment::default()).fields(),
            Stream::Refunds => Row::Refund(Refund::default()).fields(),
        }
    }
}

/// One arrival.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When it arrives, in milliseconds since the epoch.
    pub arrival_ms: i64,
    /// What it asks for.
    pub op: Op,
    /// The row.
    pub row: Row,
}

/// A row of one of the streams.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Row {
    /// Of `orders`.
    Order(Order),
    /// Of `payments`.
    Payment(Payment),
    /// Of `refunds`.
    Refund(Refund),
}

/// A version of an order. Money is in hundredths, times in milliseconds since the epoch, here and below.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Order {
    /// Key.
    pub order_id: i64,
    /// Greater is newer.
    pub version: i32,
    /// Who buys.
    pub buyer_id: i64,
    /// What.
    pub product_id: i32,
    /// Where the buyer came from.
    pub channel: &'static str,
    /// How many.
    pub quantity: i32,
    /// What the buyer owes.
    pub amount_minor: i64,
    /// `placed` or `cancelled`.
    pub status: &'static str,
    /// When it was placed.
    pub placed_ms: i64,
}

/// A version of a payment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Payment {
    /// Key.
    pub payment_id: i64,
    /// Greater is newer.
    pub version: i32,
    /// The order it pays.
    pub order_id: i64,
    /// How much.
    pub amount_minor: i64,
    /// `authorised`, `captured` or `failed`.
    pub status: &'static str,
    /// When it came to this status.
    pub paid_ms: i64,
}

/// A version of a refund.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refund {
    /// Key.
    pub refund_id: i64,
    /// Greater is newer.
    pub version: i32,
    /// The order it gives money back for.
    pub order_id: i64,
    /// How much.
    pub amount_minor: i64,
    /// `requested`, `succeeded` or `failed`.
    pub status: &'static str,
    /// When it came to this status.
    pub refunded_ms: i64,
}

/// A column's value, whatever it will be written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// BIGINT.
    Long(i64),
    /// INT.
    Int(i32),
    /// DECIMAL(18,2), in hundredths.
    Money(i64),
    /// TEXT.
    Text(&'static str),
    /// TIMESTAMPTZ, in milliseconds since the epoch.
    Time(i64),
}

impl Row {
    /// The stream it belongs to.
    pub fn stream(&self) -> Stream {
        match self {
            Row::Order(_) => Stream::Orders,
            Row::Payment(_) => Stream::Payments,
            Row::Refund(_) => Stream::Refunds,
        }
    }

    /// Its columns in the table's order.
    pub(super) fn fields(&self) -> Vec<(&'static str, Value)> {
        use Value::{Int, Long, Money, Text, Time};
        match self {
            Row::Order(order) => vec![
                ("order_id", Long(order.order_id)),
                ("version", Int(order.version)),
                ("buyer_id", Long(order.buyer_id)),
                ("product_id", Int(order.product_id)),
                ("channel", Text(order.channel)),
                ("quantity", Int(order.quantity)),
                ("amount", Money(order.amount_minor)),
                ("status", Text(order.status)),
                ("placed_at", Time(order.placed_ms)),
            ],
            Row::Payment(payment) => vec![
                ("payment_id", Long(payment.payment_id)),
                ("version", Int(payment.version)),
                ("order_id", Long(payment.order_id)),
                ("amount", Money(payment.amount_minor)),
                ("status", Text(payment.status)),
                ("paid_at", Time(payment.paid_ms)),
            ],
            Row::Refund(refund) => vec![
                ("refund_id", Long(refund.refund_id)),
                ("version", Int(refund.version)),
                ("order_id", Long(refund.order_id)),
                ("amount", Money(refund.amount_minor)),
                ("status", Text(refund.status)),
                ("refunded_at", Time(refund.refunded_ms)),
            ],
        }
    }
}
