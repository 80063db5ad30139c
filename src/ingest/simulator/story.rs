//! What happens to one order, in the order model's terms: all of it is made up when the order is placed.
//!
//! A story knows nothing of how platforms tell it; it only contains what its channel can tell. The truth is read off stories.

use super::catalogue::{self, Channel, REGIONS, REGIONS_ABROAD, SERIAL_REFUNDERS, Wishes, price_in, price_minor};
use super::config::Faults;
use super::dice::Dice;

pub(super) const SECOND_MS: i64 = 1000;
pub(super) const MINUTE_MS: i64 = 60 * SECOND_MS;
pub(super) const DAY_MS: i64 = 24 * 60 * MINUTE_MS;

/// Who reports money.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Provider {
    /// The channel itself.
    Channel,
    Stripe,
    Adyen,
}

/// A line of an order. Money is in hundredths of the order's currency, here and below.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) product: u32,
    pub(super) quantity: i64,
    pub(super) unit_minor: i64,
    /// What was owed for it at first.
    pub(super) first_minor: i64,
    /// What is owed for it in the end.
    pub(super) amount_minor: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PaymentEnd {
    Failed,
    Authorised,
    Voided(i64),
    Captured(i64),
}

#[derive(Clone, Debug)]
pub(super) struct Payment {
    pub(super) method: &'static str,
    pub(super) amount_minor: i64,
    pub(super) created_ms: i64,
    /// It was authorised before it came to its end.
    pub(super) in_two_steps: bool,
    pub(super) end: PaymentEnd,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RefundEnd {
    Requested,
    Failed(i64),
    Succeeded(i64),
    /// The money went, and came back.
    Reversed {
        paid_ms: i64,
        back_ms: i64,
    },
}

#[derive(Clone, Debug)]
pub(super) struct Refund {
    pub(super) chargeback: bool,
    /// The payment it gives back.
    pub(super) payment: usize,
    /// The line it is for; of the whole order otherwise.
    pub(super) line: Option<usize>,
    pub(super) amount_minor: i64,
    pub(super) requested_ms: i64,
    pub(super) end: RefundEnd,
}

#[derive(Clone, Debug)]
pub(super) struct Shipment {
    pub(super) line: usize,
    pub(super) quantity: i64,
    pub(super) shipped_ms: i64,
    pub(super) delivered_ms: Option<i64>,
    pub(super) returned_ms: Option<i64>,
}

/// One order's story.
#[derive(Clone, Debug)]
pub(super) struct Story {
    pub(super) number: u64,
    pub(super) channel: Channel,
    /// `None`: nobody knows, as at a till.
    pub(super) buyer: Option<u64>,
    pub(super) currency: &'static str,
    pub(super) region: &'static str,
    /// Hours the shop's clock is ahead of UTC.
    pub(super) offset_hours: i32,
    pub(super) coupon: Option<u64>,
    pub(super) provider: Provider,
    pub(super) placed_ms: i64,
    pub(super) lines: Vec<Line>,
    pub(super) revised_ms: Option<i64>,
    pub(super) cancelled_ms: Option<i64>,
    pub(super) payments: Vec<Payment>,
    pub(super) refunds: Vec<Refund>,
    pub(super) shipments: Vec<Shipment>,
    /// A payment besides, for an order nobody knows.
    pub(super) orphan: Option<Payment>,
}

impl Story {
    /// What is owed once `at_ms` is over.
    pub(super) fn amount_minor(&self, at_ms: i64) -> i64 {
        self.lines.iter().map(|line| self.line_minor(line, at_ms)).sum()
    }

    pub(super) fn line_minor(&self, line: &Line, at_ms: i64) -> i64 {
        if self.revised_ms.is_some_and(|revised_ms| revised_ms <= at_ms) { line.amount_minor } else { line.first_minor }
    }

    /// The prices of its lines without discounts.
    pub(super) fn list_minor(&self) -> i64 {
        self.lines.iter().map(|line| line.unit_minor * line.quantity).sum()
    }

    /// Captured by then.
    pub(super) fn paid_minor(&self, at_ms: i64) -> i64 {
        let captured = |payment: &&Payment| matches!(payment.end, PaymentEnd::Captured(paid_ms) if paid_ms <= at_ms);
        self.payments.iter().filter(captured).map(|payment| payment.amount_minor).sum()
    }

    /// Given back by then and not come back, chargebacks included.
    pub(super) fn returned_minor(&self, at_ms: i64) -> i64 {
        let gone = |refund: &&Refund| match refund.end {
            RefundEnd::Succeeded(paid_ms) => paid_ms <= at_ms,
            RefundEnd::Reversed { paid_ms, back_ms } => (paid_ms..back_ms).contains(&at_ms),
            _ => false,
        };
        self.refunds.iter().filter(gone).map(|refund| refund.amount_minor).sum()
    }

    /// The platform closes a trade whose money has all gone back.
    pub(super) fn closed_by_refund(&self, at_ms: i64) -> bool {
        let paid_minor = self.paid_minor(at_ms);
        self.channel == Channel::Tmall && paid_minor > 0 && self.returned_minor(at_ms) >= paid_minor
    }

    /// Everything that follows upon the order, so many times faster.
    pub(super) fn hasten(&mut self, haste: i64) {
        if haste == 1 {
            return;
        }
        let placed_ms = self.placed_ms;
        let hasten = |at_ms: &mut i64| *at_ms = placed_ms + (*at_ms - placed_ms) / haste;
        self.revised_ms.iter_mut().chain(self.cancelled_ms.iter_mut()).for_each(hasten);
        for payment in self.payments.iter_mut().chain(self.orphan.iter_mut()) {
            hasten(&mut payment.created_ms);
            if let PaymentEnd::Voided(at_ms) | PaymentEnd::Captured(at_ms) = &mut payment.end {
                hasten(at_ms);
            }
        }
        for refund in &mut self.refunds {
            hasten(&mut refund.requested_ms);
            match &mut refund.end {
                RefundEnd::Requested => {}
                RefundEnd::Failed(at_ms) | RefundEnd::Succeeded(at_ms) => hasten(at_ms),
                RefundEnd::Reversed { paid_ms, back_ms } => [paid_ms, back_ms].into_iter().for_each(hasten),
            }
        }
        for shipment in &mut self.shipments {
            hasten(&mut shipment.shipped_ms);
            shipment.delivered_ms.iter_mut().chain(shipment.returned_ms.iter_mut()).for_each(hasten);
        }
    }

    pub(super) fn is_cancelled(&self, at_ms: i64) -> bool {
        self.cancelled_ms.is_some_and(|cancelled_ms| cancelled_ms <= at_ms) || self.closed_by_refund(at_ms)
    }
}

/// Makes up stories.
pub(super) struct Author<'a> {
    pub(super) faults: &'a Faults,
    pub(super) wishes: &'a Wishes,
    pub(super) dice: Dice,
}

impl Author<'_> {
    /// The story of an order placed at `placed_ms` and told at `told_ms`: later for an order of the past.
    pub(super) fn tell(&mut self, number: u64, channel: Channel, placed_ms: i64, told_ms: i64) -> Story {
        let mut story = self.order(number, channel, placed_ms);
        let pays_ms = placed_ms + if channel == Channel::Pos { 0 } else { self.dice.between(300, 20 * SECOND_MS) };
        let pays = channel == Channel::Pos || !self.dice.chance(self.faults.unpaid);
        self.revise(&mut story, pays_ms);
        self.cancel(&mut story, pays, pays_ms);
        if pays {
            self.pay(&mut story, pays_ms);
            self.ship(&mut story);
            self.refund(&mut story, told_ms);
            self.charge_back(&mut story);
        }
        if matches!(channel, Channel::Web) && self.dice.chance(self.faults.orphaned) {
            let amount_minor = story.amount_minor(placed_ms);
            let end = PaymentEnd::Captured(pays_ms);
            story.orphan =
                Some(Payment { method: "card", amount_minor, created_ms: pays_ms, in_two_steps: false, end });
        }
        story
    }

    fn order(&mut self, number: u64, channel: Channel, placed_ms: i64) -> Story {
        let dice = &mut self.dice;
        let (mut region, mut offset_hours) = (dice.pick(&REGIONS), 8);
        let (mut currency, mut provider) = ("CNY", Provider::Channel);
        match channel {
            Channel::Web if dice.chance(0.1) => {
                currency = dice.share(&[("USD", 50), ("EUR", 20), ("HKD", 20), ("JPY", 10)]);
                provider = dice.share(&[(Provider::Stripe, 60), (Provider::Adyen, 40)]);
            }
            Channel::Shopify => {
                (region, offset_hours) = dice.pick(&REGIONS_ABROAD);
                currency = match region {
                    "England" => "GBP",
                    "Bayern" => "EUR",
                    "Tokyo" => "JPY",
                    _ => "USD",
                };
                provider = dice.share(&[(Provider::Channel, 50), (Provider::Stripe, 30), (Provider::Adyen, 20)]);
            }
            Channel::Pos => {
                (region, currency) = dice.share(&[
                    (("CN01", "CNY"), 40),
                    (("CN02", "CNY"), 30),
                    (("HK01", "HKD"), 20),
                    (("JP01", "JPY"), 10),
                ]);
            }
            _ => {}
        }
        let buyer = catalogue::buyer(dice);
        let is_known = channel != Channel::Pos || dice.chance(0.4);
        let mut story = Story {
            number,
            channel,
            buyer: is_known.then_some(buyer),
            currency,
            region,
            offset_hours,
            coupon: None,
            provider,
            placed_ms,
            lines: Vec::with_capacity(4),
            revised_ms: None,
            cancelled_ms: None,
            payments: Vec::with_capacity(2),
            refunds: Vec::new(),
            shipments: Vec::with_capacity(4),
            orphan: None,
        };
        self.fill_basket(&mut story);
        story
    }

    fn fill_basket(&mut self, story: &mut Story) {
        let count = self.dice.share(&[(1, 60), (2, 28), (3, 12)]);
        let is_free = self.dice.chance(self.faults.price_zero);
        if story.channel != Channel::Pos && self.dice.chance(0.25) {
            story.coupon = Some(self.dice.between(1, 8) as u64);
        }
        for _ in 0..count {
            let product = self.wishes.draw(&mut self.dice);
            if story.lines.iter().any(|line| line.product == product) {
                continue;
            }
            let quantity = self.dice.between(1, if product == catalogue::HOT_PRODUCT { 2 } else { 4 });
            let unit_minor = if is_free { 0 } else { price_in(story.currency, price_minor(product)) };
            let list_minor = unit_minor * quantity;
            let first_minor = match story.coupon {
                Some(coupon) => whole(story.currency, list_minor * (100 - 5 * coupon as i64) / 100),
                None => list_minor,
            };
            story.lines.push(Line { product, quantity, unit_minor, first_minor, amount_minor: first_minor });
        }
    }

    /// Another price: agreed on before payment, or given up afterwards. Platforms that pay out of the order's own amount only know the
    /// former.
    fn revise(&mut self, story: &mut Story, pays_ms: i64) {
        if story.channel == Channel::Pos || !self.dice.chance(self.faults.revised) {
            return;
        }
        let after_payment = matches!(story.channel, Channel::Web | Channel::Shopify) && self.dice.chance(0.4);
        story.revised_ms = Some(if after_payment {
            pays_ms + self.dice.between(20 * SECOND_MS, 5 * MINUTE_MS)
        } else {
            story.placed_ms + (pays_ms - story.placed_ms) / 2
        });
        let percent = self.dice.between(50, 99);
        for line in &mut story.lines {
            line.amount_minor = whole(story.currency, line.first_minor * percent / 100);
        }
    }

    fn cancel(&mut self, story: &mut Story, pays: bool, pays_ms: i64) {
        if pays && story.channel != Channel::Pos && self.dice.chance(self.faults.pay_cancel_race) {
            story.cancelled_ms = Some(pays_ms + self.dice.between(-200, 200));
        } else if self.dice.chance(self.faults.cancelled) {
            let after_ms = self.dice.between(MINUTE_MS / 2, 5 * MINUTE_MS);
            story.cancelled_ms = Some(pays_ms.max(story.placed_ms) + after_ms);
        } else if !pays {
            // Who does not pay is cancelled after a quarter of an hour, most of the time.
            story.cancelled_ms = self.dice.chance(0.7).then_some(story.placed_ms + 15 * MINUTE_MS);
        }
    }

    fn pay(&mut self, story: &mut Story, pays_ms: i64) {
        let is_own = story.channel == Channel::Web && story.provider == Provider::Channel;
        let can_step = is_own || story.channel == Channel::Shopify || story.provider != Provider::Channel;
        let method = match story.channel {
            _ if story.provider != Provider::Channel => self.dice.pick(&["card", "card", "klarna"]),
            Channel::Web => self.dice.pick(&["wechat_pay", "wechat_pay", "alipay", "wallet"]),
            Channel::Shopify => "card",
            Channel::Tmall => "alipay",
            Channel::Douyin => self.dice.pick(&["wechat_pay", "alipay", "douyin_pay"]),
            Channel::Pos => self.dice.pick(&["cash", "card", "wechat", "alipay"]),
        };
        let owed_minor = story.amount_minor(pays_ms);
        if story.channel == Channel::Pos {
            let end =
                if story.cancelled_ms.is_some() { PaymentEnd::Voided(pays_ms) } else { PaymentEnd::Captured(pays_ms) };
            story.payments.push(Payment {
                method,
                amount_minor: owed_minor,
                created_ms: pays_ms,
                in_two_steps: false,
                end,
            });
            return;
        }
        if can_step && self.dice.chance(self.faults.failed) {
            let created_ms = pays_ms - 200;
            let end = PaymentEnd::Failed;
            story.payments.push(Payment { method, amount_minor: owed_minor, created_ms, in_two_steps: false, end });
        }
        let parts = if is_own && self.dice.chance(self.faults.partial) { self.dice.between(2, 3) } else { 1 };
        // Of those who pay in parts, some never pay the last one.
        let paid_parts = if parts > 1 && self.dice.chance(0.15) { parts - 1 } else { parts };
        for part in 0..paid_parts {
            let amount_minor = owed_minor / parts + if part == 0 { owed_minor % parts } else { 0 };
            let created_ms = pays_ms + part * self.dice.between(SECOND_MS, 20 * SECOND_MS);
            let in_two_steps = can_step && self.dice.chance(0.6);
            let end = self.payment_end(created_ms, in_two_steps);
            story.payments.push(Payment { method, amount_minor, created_ms, in_two_steps, end });
        }
        if can_step && self.dice.chance(self.faults.paid_twice) {
            let created_ms = pays_ms + self.dice.between(SECOND_MS, 5 * SECOND_MS);
            let end = PaymentEnd::Captured(created_ms);
            story.payments.push(Payment { method, amount_minor: owed_minor, created_ms, in_two_steps: false, end });
        }
    }

    fn payment_end(&mut self, created_ms: i64, in_two_steps: bool) -> PaymentEnd {
        if !in_two_steps {
            return PaymentEnd::Captured(created_ms);
        }
        let end_ms = created_ms + self.dice.between(SECOND_MS, 10 * SECOND_MS);
        if !self.dice.chance(self.faults.authorised_only) {
            return PaymentEnd::Captured(end_ms);
        }
        if self.dice.chance(0.4) { PaymentEnd::Voided(end_ms) } else { PaymentEnd::Authorised }
    }

    fn ship(&mut self, story: &mut Story) {
        let paid_ms = story.payments.iter().rev().find_map(|payment| match payment.end {
            PaymentEnd::Captured(paid_ms) => Some(paid_ms),
            _ => None,
        });
        let Some(paid_ms) = paid_ms.filter(|_| story.cancelled_ms.is_none()) else { return };
        if story.channel == Channel::Pos {
            let lines = story.lines.iter().enumerate();
            story.shipments = lines
                .map(|(line, of)| Shipment {
                    line,
                    quantity: of.quantity,
                    shipped_ms: paid_ms,
                    delivered_ms: Some(paid_ms),
                    returned_ms: None,
                })
                .collect();
            return;
        }
        if !self.dice.chance(0.75) {
            return;
        }
        let mut shipped_ms = paid_ms + self.dice.between(20 * SECOND_MS, 5 * MINUTE_MS);
        let delivered_after_ms = self.dice.between(2 * MINUTE_MS, 10 * MINUTE_MS);
        let is_delivered = self.dice.chance(0.6);
        for line in 0..story.lines.len() {
            if line > 0 && self.dice.chance(0.15) {
                // The second parcel; or none at all.
                if self.dice.chance(0.5) {
                    break;
                }
                shipped_ms += self.dice.between(MINUTE_MS, 3 * MINUTE_MS);
            }
            story.shipments.push(Shipment {
                line,
                quantity: story.lines[line].quantity,
                shipped_ms,
                delivered_ms: is_delivered.then_some(shipped_ms + delivered_after_ms),
                returned_ms: None,
            });
        }
    }

    /// Money back for what was captured: a line, a part of it, or all.
    fn refund(&mut self, story: &mut Story, told_ms: i64) {
        let captured = |payment: &Payment| match payment.end {
            PaymentEnd::Captured(paid_ms) => Some(paid_ms),
            _ => None,
        };
        let Some((payment, paid_ms)) = story.payments.iter().enumerate().find_map(|(at, of)| Some((at, captured(of)?)))
        else {
            return;
        };
        let is_serial = story.buyer.is_some_and(|buyer| buyer <= SERIAL_REFUNDERS);
        let is_late = self.dice.chance(self.faults.late_refund);
        let probability = if is_serial { 0.5 } else { self.faults.refunded };
        let is_due = story.cancelled_ms.is_some() && self.dice.chance(0.6);
        if !is_late && !is_due && !self.dice.chance(probability) {
            return;
        }
        let after_ms = self.dice.between(20 * SECOND_MS, 8 * MINUTE_MS);
        let since_ms = story.cancelled_ms.map_or(paid_ms, |cancelled_ms| cancelled_ms.max(paid_ms));
        let requested_ms = match is_late {
            true => paid_ms + 30 * DAY_MS + after_ms,
            // Orders of the past are refunded once the world runs: weeks later, with credits long given.
            false => since_ms.max(told_ms) + after_ms,
        };
        let paid_minor = story.payments[payment].amount_minor;
        let by_line = story.channel != Channel::Web || self.dice.chance(0.5);
        if is_due || (!by_line && self.dice.chance(0.6)) {
            self.give_back(story, payment, None, paid_minor, requested_ms);
        } else if by_line {
            let line = self.dice.between(0, story.lines.len() as i64 - 1) as usize;
            let line_minor = story.line_minor(&story.lines[line], i64::MAX).min(paid_minor);
            let amount_minor = if self.dice.chance(0.7) { line_minor } else { whole(story.currency, line_minor / 2) };
            self.give_back(story, payment, Some(line), amount_minor, requested_ms);
        } else {
            let percent = self.dice.between(10, 50);
            self.give_back(story, payment, None, whole(story.currency, paid_minor * percent / 100), requested_ms);
        }
    }

    fn give_back(
        &mut self,
        story: &mut Story,
        payment: usize,
        line: Option<usize>,
        amount_minor: i64,
        requested_ms: i64,
    ) {
        let settled_ms = requested_ms + self.dice.between(SECOND_MS, MINUTE_MS);
        let can_reverse =
            story.provider == Provider::Adyen || (story.channel == Channel::Web && story.provider == Provider::Channel);
        let outcome = self.dice.between(0, 99);
        let mut end = match outcome {
            0..84 => RefundEnd::Succeeded(settled_ms),
            84..91 => RefundEnd::Failed(settled_ms),
            _ => RefundEnd::Requested,
        };
        if let RefundEnd::Succeeded(paid_ms) = end
            && can_reverse
            && self.dice.chance(self.faults.refund_reversed)
        {
            end = RefundEnd::Reversed { paid_ms, back_ms: paid_ms + self.dice.between(MINUTE_MS, 3 * MINUTE_MS) };
        }
        match (story.channel, end) {
            // A till gives money back at once. This after-sale API only knows approved and done; Adyen-like news of a refund is its end.
            (Channel::Pos, _) => end = RefundEnd::Succeeded(requested_ms),
            (Channel::Douyin, RefundEnd::Failed(_)) => end = RefundEnd::Requested,
            _ if story.provider == Provider::Adyen && end == RefundEnd::Requested => {
                end = RefundEnd::Failed(settled_ms)
            }
            _ => {}
        }
        // Platforms that refund sub-orders split what is for the whole order.
        if line.is_none() && matches!(story.channel, Channel::Tmall | Channel::Douyin | Channel::Pos) {
            for line in 0..story.lines.len() {
                let amount_minor = story.line_minor(&story.lines[line], i64::MAX);
                story.refunds.push(Refund {
                    chargeback: false,
                    payment,
                    line: Some(line),
                    amount_minor,
                    requested_ms,
                    end,
                });
            }
            return;
        }
        if story.channel == Channel::Web
            && let Some(shipment) = story.shipments.iter_mut().find(|shipment| Some(shipment.line) == line)
            && shipment.delivered_ms.is_some_and(|delivered_ms| delivered_ms < requested_ms)
        {
            shipment.returned_ms = Some(requested_ms + SECOND_MS);
        }
        story.refunds.push(Refund { chargeback: false, payment, line, amount_minor, requested_ms, end });
    }

    /// A buyer's bank takes the money back, half of the times weeks later; sometimes it comes again.
    fn charge_back(&mut self, story: &mut Story) {
        if story.provider == Provider::Channel || !self.dice.chance(self.faults.chargeback) {
            return;
        }
        let captured = story.payments.iter().position(|payment| matches!(payment.end, PaymentEnd::Captured(_)));
        let Some(payment) = captured.filter(|_| story.refunds.is_empty()) else { return };
        let after_ms = if self.dice.chance(0.5) { 10 * MINUTE_MS } else { 40 * DAY_MS };
        let requested_ms = story.payments[payment].created_ms + self.dice.between(2 * MINUTE_MS, after_ms);
        let paid_ms = requested_ms + self.dice.between(SECOND_MS, MINUTE_MS);
        let end = if self.dice.chance(0.3) {
            RefundEnd::Reversed { paid_ms, back_ms: paid_ms + self.dice.between(5 * MINUTE_MS, 20 * DAY_MS) }
        } else {
            RefundEnd::Succeeded(paid_ms)
        };
        let amount_minor = story.payments[payment].amount_minor;
        story.refunds.push(Refund { chargeback: true, payment, line: None, amount_minor, requested_ms, end });
    }
}

/// Yen have no hundredths.
fn whole(currency: &str, minor: i64) -> i64 {
    if currency == "JPY" { minor / 100 * 100 } else { minor }
}
