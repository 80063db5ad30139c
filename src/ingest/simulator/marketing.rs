//! What surrounds an order: the advertising its buyer saw, the people who only looked, and what the bank says of its money.

use super::catalogue::{self, Channel};
use super::config::WorldConfig;
use super::dice::{Concern, Dice};
use super::platform::{ORPHAN, payment_id, refund_id};
use super::story::{DAY_MS, MINUTE_MS, PaymentEnd, Provider, RefundEnd, SECOND_MS, Story};
use super::stream::{Event, Stream, StreamSet};
use super::value::{Value, day_of};

/// The touchpoints before an order, and those of visitors who bought nothing.
pub(super) fn touch(config: &WorldConfig, wanted: StreamSet, story: &Story, out: &mut Vec<Event>) {
    if !wanted.has(Stream::Touchpoints) {
        return;
    }
    let mut dice = Dice::of(config.seed, story.number, Concern::Touchpoints);
    let arrival_ms = story.placed_ms.max(config.start_ms);
    let mut count = 0;
    let mut send = |buyer: Value, clicked: bool, campaign: u64, product: u32, at_ms: i64, delay_ms: i64| {
        count += 1;
        let values = vec![
            Value::Code("t", story.number * 100 + count),
            buyer,
            Value::Code("C", campaign),
            Value::Word(if clicked { "click" } else { "impression" }),
            if clicked { Value::product(product) } else { Value::Null },
            Value::Time(at_ms),
        ];
        out.push(Event { arrival_ms: arrival_ms + delay_ms, stream: Stream::Touchpoints, values });
    };
    let product = story.lines.first().map_or(catalogue::HOT_PRODUCT, |line| line.product);
    if let Some(buyer) = story.buyer
        && story.channel != Channel::Pos
        && dice.chance(config.faults.touched)
    {
        for _ in 0..dice.between(1, 4) {
            // Half of them in the last hour, the others within ten days.
            let before_ms = if dice.chance(0.5) {
                dice.between(SECOND_MS, 60 * MINUTE_MS)
            } else {
                dice.between(SECOND_MS, 10 * DAY_MS)
            };
            let (clicked, campaign) = (dice.chance(0.6), catalogue::campaign(&mut dice));
            let buyer = Value::Code(story.channel.buyer_prefix(), buyer);
            send(buyer, clicked, campaign, product, story.placed_ms - before_ms, dice.between(1, 50));
        }
    }
    for _ in 0..dice.count(config.faults.lookers) {
        let (buyer, campaign) = (catalogue::onlooker(&mut dice), catalogue::campaign(&mut dice));
        let seen_ms = story.placed_ms - dice.between(0, 10 * SECOND_MS);
        send(Value::Code("web:", buyer), false, campaign, product, seen_ms, dice.between(1, 50));
        if dice.chance(config.faults.looker_clicks) {
            let clicked_ms = seen_ms + dice.between(SECOND_MS, 10 * SECOND_MS);
            send(Value::Code("web:", buyer), true, campaign, product, clicked_ms, clicked_ms - seen_ms + 50);
        }
    }
}

/// How the bank sees a payment or refund.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Settled {
    /// As we do, in time.
    Exactly,
    /// As we do, minutes after it should have.
    Late,
    /// Otherwise at first, corrected later.
    Corrected,
    /// Otherwise.
    Wrongly,
    /// Not at all.
    Never,
}

/// Which sums move between us and the bank: payments and refunds, each with its moment, amount and how it settles.
pub(super) fn movements(config: &WorldConfig, story: &Story) -> Vec<(Result<usize, usize>, i64, i64, Settled)> {
    let mut dice = Dice::of(config.seed, story.number, Concern::Settlements);
    let mut settled = || {
        let faults = &config.faults;
        let (is_late, is_wrong) = (dice.chance(faults.settlement_late), dice.chance(faults.settlement_differs));
        let (is_missing, is_corrected) = (dice.chance(faults.settlement_missing), dice.chance(0.5));
        match () {
            () if is_missing => Settled::Never,
            () if is_wrong && is_corrected => Settled::Corrected,
            () if is_wrong => Settled::Wrongly,
            () if is_late => Settled::Late,
            () => Settled::Exactly,
        }
    };
    let mut movements = Vec::new();
    let orphan = story.orphan.iter().map(|payment| (ORPHAN, payment));
    for (index, payment) in story.payments.iter().enumerate().chain(orphan) {
        if let PaymentEnd::Captured(paid_ms) = payment.end {
            movements.push((Ok(index), paid_ms, payment.amount_minor, settled()));
        }
    }
    for (index, refund) in story.refunds.iter().enumerate() {
        if let RefundEnd::Succeeded(paid_ms) = refund.end {
            movements.push((Err(index), paid_ms, -refund.amount_minor, settled()));
        }
    }
    movements
}

/// The bank's statement lines about an order's money.
pub(super) fn settle(config: &WorldConfig, wanted: StreamSet, story: &Story, out: &mut Vec<Event>) {
    if !wanted.has(Stream::Settlements) {
        return;
    }
    for (of, moved_ms, amount_minor, settled) in movements(config, story) {
        let (payment, refund) = match of {
            Ok(index) => (Some(payment_id(story, index)), None),
            Err(index) => (None, Some(refund_id(story, index))),
        };
        let id = payment
            .as_ref()
            .or(refund.as_ref())
            .map(|id| format!("s:{id}{}", if refund.is_some() { ":r" } else { "" }));
        let row = |version: i64, minor: i64| {
            vec![
                id.clone().map_or(Value::Null, Value::text),
                Value::Number(version),
                Value::Word(reporter(story)),
                payment.clone().map_or(Value::Null, Value::text),
                refund.clone().map_or(Value::Null, Value::text),
                Value::Word(story.currency),
                Value::Money(minor),
                Value::Money(minor.abs() * 6 / 1000),
                Value::Date(day_of(moved_ms) + 1),
            ]
        };
        let delay_ms = MINUTE_MS / 2 + (story.number % 60) as i64 * SECOND_MS;
        let arrival_ms = moved_ms.max(config.start_ms) + delay_ms / config.haste;
        let later_ms = arrival_ms + 5 * MINUTE_MS / config.haste;
        let mut send = |arrival_ms: i64, version: i64, minor: i64| {
            out.push(Event { arrival_ms, stream: Stream::Settlements, values: row(version, minor) });
        };
        let wrong_minor = amount_minor - amount_minor.signum() * 100;
        match settled {
            Settled::Exactly => send(arrival_ms, 1, amount_minor),
            Settled::Late => send(later_ms, 1, amount_minor),
            Settled::Wrongly => send(arrival_ms, 1, wrong_minor),
            Settled::Corrected => {
                send(arrival_ms, 1, wrong_minor);
                send(later_ms, 2, amount_minor);
            }
            Settled::Never => {}
        }
    }
}

fn reporter(story: &Story) -> &'static str {
    match story.provider {
        Provider::Channel => story.channel.name(),
        Provider::Stripe => "stripe",
        Provider::Adyen => "adyen",
    }
}
