//! How news travels: late, twice, overtaken, with flaws. One post carries the news of one order on one platform.
//!
//! Guarantee: what is drawn does not depend on which streams are asked for, so that every table sees the same world.

use super::config::Faults;
use super::dice::Dice;
use super::story::{MINUTE_MS, SECOND_MS};
use super::stream::{Event, Stream, StreamSet};
use super::value::Value;

/// Where events go, with whatever goes wrong on their way.
pub(super) struct Post<'a> {
    pub(super) faults: &'a Faults,
    pub(super) wanted: StreamSet,
    /// Nothing arrives before the world begins.
    pub(super) start_ms: i64,
    /// See [`WorldConfig::haste`](super::WorldConfig::haste).
    pub(super) haste: i64,
    pub(super) dice: Dice,
    pub(super) out: &'a mut Vec<Event>,
}

/// What makes one row newer than another.
enum Version {
    /// A number counted up by two: there is room for a flawed row before each good one.
    Counted(usize),
    /// A time on a grid of two seconds.
    Clock(usize),
    /// When the row was received.
    Received(usize),
    /// Nothing: rows are never corrected.
    None,
}

fn version_of(stream: Stream) -> Version {
    match stream {
        Stream::WebOrders | Stream::WebPayments | Stream::WebRefunds | Stream::WebShipments => Version::Counted(1),
        Stream::WebItems => Version::Counted(2),
        Stream::PosLines => Version::Counted(3),
        Stream::ShopifyOrders | Stream::TmallTrades | Stream::TmallRefunds => Version::Clock(1),
        Stream::DouyinOrders | Stream::DouyinRefunds => Version::Counted(1),
        Stream::ShopifyTransactions | Stream::StripeEvents => Version::Received(1),
        Stream::AdyenNotifications => Version::Received(2),
        _ => Version::None,
    }
}

/// Flaws of a stream: a column and what stands there instead. Each fails one of the channel's rules.
fn flaws(stream: Stream) -> &'static [(usize, Value)] {
    use Value::{Money, Null, Number, Word};
    const INVALID: Value = Word("n/a");
    match stream {
        Stream::WebOrders => &[(3, Word("PAID?")), (4, Word("RMB")), (5, Null), (5, Money(-100)), (9, Null)],
        Stream::WebItems => &[(3, Null), (4, Number(0)), (6, Null)],
        Stream::WebPayments => &[(2, Null), (4, Word("success")), (5, Word("RMB")), (6, Null)],
        Stream::WebRefunds => &[(4, Word("refunded")), (6, Money(-1)), (7, Null)],
        Stream::WebShipments => &[(4, Number(0)), (5, Word("lost"))],
        Stream::ShopifyOrders => &[(3, INVALID), (5, Word("XBT")), (6, INVALID), (8, Word("complete")), (10, Null)],
        Stream::ShopifyTransactions => &[(2, Null), (4, Word("tip")), (5, Word("ok")), (7, INVALID)],
        Stream::StripeEvents => &[(2, Word("invoice.paid")), (3, Null), (6, Null)],
        Stream::AdyenNotifications => &[(3, INVALID), (4, Word("maybe")), (6, Null), (9, Null)],
        Stream::TmallTrades => &[(2, Word("等待发货")), (3, INVALID), (6, Word("1,299.00")), (10, Null), (13, Null)],
        Stream::TmallRefunds => &[(2, Null), (4, Word("AGREED")), (6, INVALID)],
        Stream::DouyinOrders => &[(2, Word("6")), (3, Word("0")), (8, INVALID), (11, Null), (13, Null)],
        Stream::DouyinRefunds => &[(2, Null), (4, Word("9")), (6, INVALID)],
        Stream::PosLines => &[(4, Word("GIFT")), (5, INVALID), (7, Word("1.5")), (9, INVALID), (11, Word("CHEQUE"))],
        _ => &[],
    }
}

impl Post<'_> {
    /// Sends the news of something that happens at `at_ms`, held back by `held_ms`. The row is only made when it is wanted; its version
    /// column is left empty where it says when the row was received.
    pub(super) fn send(&mut self, at_ms: i64, held_ms: i64, stream: Stream, row: impl FnOnce() -> Vec<Value>) {
        let mut delay_ms = held_ms + self.dice.between(5, 200);
        if self.dice.chance(self.faults.out_of_order) {
            delay_ms += self.dice.between(500, 5 * SECOND_MS);
        }
        if self.dice.chance(self.faults.late) {
            delay_ms += match self.dice.between(0, 9) {
                0..8 => self.dice.between(10 * SECOND_MS, MINUTE_MS),
                _ => self.dice.between(MINUTE_MS, 5 * MINUTE_MS),
            };
        }
        let mut arrival_ms = at_ms.max(self.start_ms) + delay_ms / self.haste;
        let again_ms =
            self.dice.chance(self.faults.duplicated).then(|| self.dice.between(0, 30 * SECOND_MS) / self.haste);
        let flaws = flaws(stream);
        let flaw =
            (!flaws.is_empty() && self.dice.chance(self.faults.malformed)).then(|| self.dice.pick_at(flaws.len()));
        // A correction is received later than the flawed row, if only by a millisecond.
        let corrected_ms = flaw.map(|_| self.dice.between(2 * SECOND_MS, 30 * SECOND_MS) / self.haste + 1);
        if !self.wanted.has(stream) {
            return;
        }
        let mut values = row();
        let version = version_of(stream);
        if let (Some(flaw), Some(corrected_ms)) = (flaw, corrected_ms) {
            let (column, instead) = flaws[flaw].clone();
            let mut flawed = values.clone();
            flawed[column] = instead;
            match (&version, &mut flawed) {
                (Version::Counted(at), flawed) => step_back(&mut flawed[*at], 1),
                (Version::Clock(at), flawed) => step_back(&mut flawed[*at], SECOND_MS),
                (Version::Received(at), flawed) => flawed[*at] = Value::Time(arrival_ms),
                (Version::None, _) => {}
            }
            self.out.push(Event { arrival_ms, stream, values: flawed });
            arrival_ms += corrected_ms;
        }
        if let Version::Received(at) = version {
            values[at] = Value::Time(arrival_ms);
        }
        if let Some(again_ms) = again_ms {
            self.out.push(Event { arrival_ms: arrival_ms + again_ms, stream, values: values.clone() });
        }
        self.out.push(Event { arrival_ms, stream, values });
    }

    /// How long the first news of an order is held back: lost and reconciled later, or overtaken by its payment.
    pub(super) fn hold_order(&mut self, placed_ms: i64, first_paid_ms: Option<i64>) -> i64 {
        let is_lost = self.dice.chance(self.faults.lost);
        let lost_ms = self.dice.between(3 * MINUTE_MS, 8 * MINUTE_MS);
        let is_overtaken = self.dice.chance(self.faults.payment_first);
        let overtaken_ms = self.dice.between(SECOND_MS / 2, 10 * SECOND_MS);
        match first_paid_ms {
            _ if is_lost => lost_ms,
            Some(paid_ms) if is_overtaken => (paid_ms - placed_ms) * self.haste + overtaken_ms,
            _ => 0,
        }
    }

    /// How long the news of payments is held back: until after that of their refund.
    pub(super) fn hold_payments(&mut self, paid_ms: Option<i64>, refunded_ms: Option<i64>) -> i64 {
        let is_overtaken = self.dice.chance(self.faults.refund_first);
        let overtaken_ms = self.dice.between(SECOND_MS, MINUTE_MS);
        match (paid_ms, refunded_ms) {
            (Some(paid_ms), Some(refunded_ms))
                if is_overtaken && refunded_ms - paid_ms < 20 * MINUTE_MS / self.haste =>
            {
                (refunded_ms - paid_ms) * self.haste + overtaken_ms
            }
            _ => 0,
        }
    }
}

fn step_back(version: &mut Value, by: i64) {
    if let Value::Number(number) | Value::Time(number) = version {
        *number -= by;
    }
}
